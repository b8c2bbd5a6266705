//! What happens in a journal that is made up.
//!
//! The entries come in blocks of ten. Block `b` creates six nodes, changes some that older blocks
//! made, and tells of a command:
//!
//! | slot | what |
//! |---|---|
//! | 0 … 5 | node `0` … `5` of block `b` comes to be |
//! | 6, 7 | nodes of block `b / 2` are rewritten: `0` and `1` for an even `b`, else `2` and `3` |
//! | 8 | of block `b / 3`, node `4` moves, then is rewritten, then node `5` is rewritten |
//! | 9 | node `0` of block `b / 4` is deleted when `b` is divisible by 4, else a command completes |
//!
//! So three in five entries make a node, and the others reach back over the whole book. What a node
//! was before each change follows from its place in the block: node `0` is version 2 when it is
//! deleted, node `4` when it is rewritten, all others are version 1 when something happens to them.

use crate::tree::scramble;
use anyhow::Context as _;
use journal::{
    ChangedFacts, CommandCompleted, EventType, FileType, JournalId, NodeEvent, NodeKind, NodeState,
    Text, Time,
};

const BLOCK: u64 = 10;
const NODES: u64 = 6;
/// Blocks that share a directory, which is node 1 of the first of them.
const SHARING: u64 = 8;
const LONGEST_BYTES: u64 = 1 << 20;
const EMPTY: &str = "{}";
/// The group of every node, and the first of the users that share the projects.
const OWNER: u32 = 1_000;
const USERS: u64 = 20;

/// 2025-01-01T00:00:00Z, in milliseconds since 1970.
const START_MS: i64 = 1_735_689_600_000;
const YEAR_MS: u64 = 365 * 24 * 60 * 60 * 1_000;

/// An entry without its place in the chain.
pub(super) struct Told {
    pub(super) event_type: EventType,
    pub(super) node_id: Option<i64>,
    pub(super) size_delta: i64,
    pub(super) data: String,
}

/// The script of a journal of a given length.
pub(super) struct Script {
    entries: u64,
}

/// A node at one of its versions.
struct Node {
    id: u64,
    block: u64,
    at: u64,
    version: u64,
}

/// What happens to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Created,
    Updated,
    Moved,
    Deleted,
}

impl Script {
    pub(super) const fn new(entries: u64) -> Self {
        Self { entries }
    }

    pub(super) fn entry(&self, id: u64) -> anyhow::Result<Told> {
        let block = (id - 1) / BLOCK;
        match step((id - 1) % BLOCK, block) {
            Some((verb, node)) => self.node(id, verb, &node),
            None => self.command(id, block),
        }
    }

    fn observed_at(&self, id: u64) -> anyhow::Result<Time> {
        let passed = u128::from(id - 1) * u128::from(YEAR_MS) / u128::from(self.entries.max(1));
        Ok(Time::from_millis(START_MS + i64::try_from(passed)?))
    }

    fn node(&self, id: u64, verb: Verb, node: &Node) -> anyhow::Result<Told> {
        let is_directory = node.is_directory();
        let (size, size_before) = (node.size()?, node.before().map(|it| it.size()).transpose()?);
        let size_delta = match verb {
            Verb::Deleted => -size_before.unwrap_or_default(),
            _ => size - size_before.unwrap_or_default(),
        };
        let (path, previous_path) = match verb {
            Verb::Moved => (node.path(), node.before().map(|it| Text::from(it.path()))),
            _ => (node.path(), None),
        };
        let node_id = i64::try_from(node.id)?;
        let extension = (!is_directory).then(|| journal::extension(&path)).flatten();
        let extension = extension.map(|extension| Text::from(extension.into_owned()));
        let command_id = format!("0197f3a0-5c1e-7000-8000-{:012x}", id / 1_000);
        let user = u32::try_from(node.project() % USERS)?;
        let event = NodeEvent {
            backend_mount_id: 1,
            node_id,
            path: Text::from(path),
            kind: if is_directory {
                NodeKind::Directory
            } else {
                NodeKind::File
            },
            state: if verb == Verb::Deleted {
                NodeState::Deleted
            } else {
                NodeState::Active
            },
            parent_id: node.parent_id().map(i64::try_from).transpose()?,
            version: i64::try_from(node.version)?,
            size_bytes: Some(size),
            checksum: None,
            content_hash: None,
            metadata: serde_json::from_str(EMPTY)?,
            journal_id: JournalId::new(id),
            command: Text::from(if verb == Verb::Created {
                "scan"
            } else {
                "uploadFile"
            }),
            idempotency_key: None,
            principal: (verb != Verb::Created).then(|| Text::from("pipeline@example.org")),
            observed_at: self.observed_at(id)?,
            command_id: Some(Text::from(command_id)),
            previous_path,
            previous_backend_mount_id: None,
            previous_size_bytes: size_before,
            size_delta,
            last_modified_at: Some(self.observed_at(id)?),
            file_type: Some(if is_directory {
                FileType::Directory
            } else {
                FileType::Regular
            }),
            uid: Some(OWNER + user),
            gid: Some(OWNER),
            user: Some(Text::from(format!("user-{user:03}"))),
            group: Some(Text::from("pipeline")),
            mode: Some(if is_directory { 0o755 } else { 0o644 }),
            links: (!is_directory).then_some(1),
            allocated_bytes: (!is_directory).then_some((size + 4_095) / 4_096 * 4_096),
            changed_at: Some(self.observed_at(id)?).filter(|_| !is_directory),
            accessed_at: None,
            extension,
            link_target: None,
            storage_class: None,
            attributes: None,
            object_tags: None,
            changed: ChangedFacts::default(),
            previous_uid: None,
            previous_gid: None,
            previous_user: None,
            previous_group: None,
        };
        Ok(Told {
            event_type: match verb {
                Verb::Created => EventType::NodeCreated,
                Verb::Updated => EventType::NodeUpdated,
                Verb::Moved => EventType::NodeMoved,
                Verb::Deleted => EventType::NodeDeleted,
            },
            node_id: Some(node_id),
            size_delta,
            data: serde_json::to_string(&event)?,
        })
    }

    fn command(&self, id: u64, block: u64) -> anyhow::Result<Told> {
        let node = made(block, 0, 1);
        let node_id = Some(i64::try_from(node.id)?);
        let event = CommandCompleted {
            journal_id: JournalId::new(id),
            command: Text::from("uploadFile"),
            backend_mount_id: 1,
            node_id,
            path: Text::from(node.path()),
            idempotency_key: None,
            principal: Some(Text::from("pipeline@example.org")),
            result: serde_json::from_str(EMPTY)?,
            observed_at: self.observed_at(id)?,
            command_id: None,
            duration_ms: 3,
            nodes_changed: 1,
        };
        let data = serde_json::to_string(&event).context("a command has no JSON")?;
        Ok(Told {
            event_type: EventType::CommandCompleted,
            node_id,
            size_delta: 0,
            data,
        })
    }
}

/// What happens in a slot of a block; `None` for a command.
fn step(slot: u64, block: u64) -> Option<(Verb, Node)> {
    let (half, third, quarter) = (block / 2, block / 3, block / 4);
    let even = 2 * (block % 2);
    Some(match (slot, block % 3, block % 4) {
        (0..NODES, ..) => (Verb::Created, made(block, slot, 1)),
        (6 | 7, ..) => (Verb::Updated, made(half, even + slot - NODES, 2)),
        (8, 0, _) => (Verb::Moved, made(third, 4, 2)),
        (8, 1, _) => (Verb::Updated, made(third, 4, 3)),
        (8, ..) => (Verb::Updated, made(third, 5, 2)),
        (9, _, 0) => (Verb::Deleted, made(quarter, 0, 3)),
        _ => return None,
    })
}

const fn made(block: u64, at: u64, version: u64) -> Node {
    Node {
        id: block * NODES + at + 1,
        block,
        at,
        version,
    }
}

impl Node {
    const fn is_directory(&self) -> bool {
        self.at == 1 && self.block.is_multiple_of(SHARING)
    }

    /// The node as it was one version earlier.
    const fn before(&self) -> Option<Self> {
        match self.version {
            0 | 1 => None,
            version => Some(made(self.block, self.at, version - 1)),
        }
    }

    /// A move and a deletion leave the size as it was.
    fn size(&self) -> anyhow::Result<i64> {
        if self.is_directory() {
            return Ok(0);
        }
        let contents = match (self.at, self.version) {
            (0, 3) => 2,
            (4, 2) => 1,
            (_, version) => version,
        };
        Ok(i64::try_from(
            scramble(self.id * 4 + contents) % LONGEST_BYTES,
        )?)
    }

    /// The directory of the sharing blocks before these, so that it is always there.
    const fn parent_id(&self) -> Option<u64> {
        match self.block / SHARING {
            0 => None,
            group => Some(made((group - 1) * SHARING, 1, 1).id),
        }
    }

    fn project(&self) -> u64 {
        scramble(self.block / SHARING) % 256
    }

    fn path(&self) -> String {
        let (group, project) = (self.block / SHARING, self.project());
        if self.is_directory() {
            return format!("project-{project:03}/run-{group:07}");
        }
        let name = if self.at == 4 && self.version > 1 {
            "final"
        } else {
            "measurement"
        };
        format!(
            "project-{project:03}/run-{group:07}/{name}-{:09}.parquet",
            self.id
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use journal::Event;
    use serde_json::value::RawValue;
    use std::collections::HashMap;

    #[test]
    fn each_change_continues_the_node_as_the_journal_left_it() {
        let script = Script::new(10_000);
        let mut nodes: HashMap<i64, (i64, i64, String, NodeState)> = HashMap::new();
        let mut counts: HashMap<String, u64> = HashMap::new();
        for id in 1..=10_000 {
            let told = script.entry(id).unwrap();
            *counts
                .entry(told.event_type.as_str().to_owned())
                .or_default() += 1;
            let data = RawValue::from_string(told.data).unwrap();
            let Event::Node(event) = Event::decode(&told.event_type, &data).unwrap() else {
                continue;
            };
            let before = nodes.remove(&event.node_id);
            assert_eq!(before.is_none(), told.event_type == EventType::NodeCreated);
            let size = event.size_bytes.unwrap();
            let (version, size_before, path) = match before {
                Some((version, size, path, state)) => {
                    assert_eq!(
                        state,
                        NodeState::Active,
                        "entry {id} changes what was deleted"
                    );
                    (version, Some(size), Some(path))
                }
                None => (0, None, None),
            };
            assert_eq!(event.version, version + 1, "entry {id}");
            assert_eq!(event.previous_size_bytes, size_before, "entry {id}");
            let weight = if event.state == NodeState::Deleted {
                0
            } else {
                size
            };
            assert_eq!(
                event.size_delta,
                weight - size_before.unwrap_or(0),
                "entry {id}"
            );
            if told.event_type == EventType::NodeMoved {
                assert_eq!(event.previous_path.as_deref(), path.as_deref());
                assert_ne!(Some(&*event.path), path.as_deref());
            } else if let Some(path) = path {
                assert_eq!(&*event.path, path, "entry {id}");
            }
            let path = event.path.to_string();
            nodes.insert(event.node_id, (event.version, size, path, event.state));
        }
        assert_eq!(counts["filestore.node.created"], 6_000);
        assert_eq!(counts.len(), 5, "{counts:?}");
    }

    #[test]
    fn the_entries_cover_the_year() {
        let script = Script::new(365);
        let first = script.observed_at(1).unwrap().to_string();
        assert_eq!(first, "2025-01-01T00:00:00.000Z");
        let last = script.observed_at(365).unwrap().to_string();
        assert_eq!(last, "2025-12-31T00:00:00.000Z");
    }
}
