//! A node's whole state, whoever tells it.

use crate::{
    ChangedFacts, ConsistencyState, FileType, Inode, JournalId, NodeKind, NodeState, PreviousOwner,
    Time,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// One view of a node's state for all that tell it: a command's entry, the entry of a comparison
/// with the disk, a snapshot. Text borrows from there. Sizes are in bytes.
#[derive(Clone, Copy, Debug)]
#[expect(
    missing_docs,
    reason = "the fields are the node's own, named in the contract"
)]
pub struct NodeView<'a> {
    pub node_id: i64,
    pub backend_mount_id: i64,
    pub path: &'a str,
    pub kind: NodeKind,
    /// An entry that says that the node was deleted has the state `deleted`, whatever its data say.
    pub state: NodeState,
    pub parent_id: Option<i64>,
    pub version: i64,
    pub size_bytes: Option<i64>,
    pub checksum: Option<&'a str>,
    pub content_hash: Option<&'a str>,
    pub metadata: &'a RawValue,
    pub observed_at: Time,
    pub last_modified_at: Option<Time>,
    pub previous_path: Option<&'a str>,
    pub previous_size_bytes: Option<i64>,
    pub consistency_state: ConsistencyState,
    pub inode: Inode<'a>,
    /// Access control lists and extended attributes, a JSON object.
    pub attributes: Option<&'a RawValue>,
    /// The tags of an object, a JSON object of texts.
    pub object_tags: Option<&'a RawValue>,
    /// Which facts differ from the state before, as far as it is told.
    pub changed: ChangedFacts,
    pub previous_owner: PreviousOwner<'a>,
    /// Who tells it.
    pub by: ToldBy<'a>,
}

/// Who tells a node's state, and what only they know.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the fields are named in the contract")]
pub enum ToldBy<'a> {
    /// A command that changed it.
    Command {
        command: &'a str,
        command_id: Option<&'a str>,
        principal: Option<&'a str>,
        idempotency_key: Option<&'a str>,
        previous_backend_mount_id: Option<i64>,
    },
    /// A comparison with the disk.
    Comparison {
        checked_at: Time,
        last_reconciled_at: Option<Time>,
        reason: &'a str,
        previous_state: Option<&'a str>,
    },
    /// A snapshot of all nodes.
    Snapshot,
}

impl NodeState {
    /// What a state says about the last comparison, where no comparison speaks for itself.
    #[must_use]
    pub const fn consistency(self) -> ConsistencyState {
        match self {
            Self::Missing => ConsistencyState::Missing,
            Self::Inconsistent => ConsistencyState::Inconsistent,
            Self::Active | Self::Deleted => ConsistencyState::Active,
        }
    }

    /// Whether a node in this state is on disk: only then it weighs anything.
    #[must_use]
    pub const fn is_there(self) -> bool {
        matches!(self, Self::Active | Self::Inconsistent)
    }
}

/// A live node as a snapshot or a book tells it, one JSON object a line, in the order of node
/// ids. `journal_id` is the last entry that changed the node: whoever compares two books skips
/// the nodes that changed after the other book's checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(
    missing_docs,
    reason = "the fields are the node's own, named in the contract"
)]
pub struct SnapshotNode {
    pub node_id: i64,
    pub backend_mount_id: i64,
    pub path: String,
    pub kind: NodeKind,
    pub state: NodeState,
    pub parent_id: Option<i64>,
    pub version: i64,
    pub size_bytes: Option<i64>,
    pub journal_id: JournalId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_hash: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consistency_state: Option<ConsistencyState>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified_at: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_at: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_tags: Option<serde_json::Value>,
    #[serde(flatten)]
    pub inode: SnapshotInode,
}

/// An [`Inode`] that owns its text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "the fields are those of `Inode`")]
pub struct SnapshotInode {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_type: Option<FileType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub links: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocated_bytes: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accessed_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link_target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
}

impl SnapshotInode {
    /// What it says.
    #[must_use]
    pub fn view(&self) -> Inode<'_> {
        Inode {
            file_type: self.file_type,
            uid: self.uid,
            gid: self.gid,
            user: self.user.as_deref(),
            group: self.group.as_deref(),
            mode: self.mode,
            links: self.links,
            allocated_bytes: self.allocated_bytes,
            changed_at: self.changed_at,
            accessed_at: self.accessed_at,
            link_target: self.link_target.as_deref(),
            storage_class: self.storage_class.as_deref(),
        }
    }
}

impl From<Inode<'_>> for SnapshotInode {
    fn from(inode: Inode<'_>) -> Self {
        Self {
            file_type: inode.file_type,
            uid: inode.uid,
            gid: inode.gid,
            user: inode.user.map(str::to_owned),
            group: inode.group.map(str::to_owned),
            mode: inode.mode,
            links: inode.links,
            allocated_bytes: inode.allocated_bytes,
            changed_at: inode.changed_at,
            accessed_at: inode.accessed_at,
            link_target: inode.link_target.map(str::to_owned),
            storage_class: inode.storage_class.map(str::to_owned),
        }
    }
}

/// What a [`SnapshotNode`] has of JSON, as text.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields are those of `SnapshotNode`")]
pub struct SnapshotJson {
    pub metadata: Box<RawValue>,
    pub attributes: Option<Box<RawValue>>,
    pub object_tags: Option<Box<RawValue>>,
}

impl SnapshotNode {
    /// Its JSON as text; metadata that it does not have are an empty object.
    ///
    /// # Errors
    /// It is nested too deeply.
    pub fn json(&self) -> serde_json::Result<SnapshotJson> {
        let text = |value: &Option<serde_json::Value>| {
            let value = value.as_ref();
            value.map(serde_json::value::to_raw_value).transpose()
        };
        let none = || serde_json::value::to_raw_value(&serde_json::Map::new());
        Ok(SnapshotJson {
            metadata: text(&self.metadata)?.map_or_else(none, Ok)?,
            attributes: text(&self.attributes)?,
            object_tags: text(&self.object_tags)?,
        })
    }

    /// The view of this node. `json` is what [`SnapshotNode::json`] gave; `now` is when it was observed,
    /// if it does not say.
    #[must_use]
    pub fn view<'a>(&'a self, json: &'a SnapshotJson, now: Time) -> NodeView<'a> {
        NodeView {
            node_id: self.node_id,
            backend_mount_id: self.backend_mount_id,
            path: &self.path,
            kind: self.kind,
            state: self.state,
            parent_id: self.parent_id,
            version: self.version,
            size_bytes: self.size_bytes,
            checksum: self.checksum.as_deref(),
            content_hash: self.content_hash.as_deref(),
            metadata: &json.metadata,
            observed_at: self.observed_at.unwrap_or(now),
            last_modified_at: self.last_modified_at,
            previous_path: None,
            previous_size_bytes: None,
            consistency_state: self.consistency_state.unwrap_or(self.state.consistency()),
            inode: self.inode.view(),
            attributes: json.attributes.as_deref(),
            object_tags: json.object_tags.as_deref(),
            changed: ChangedFacts::default(),
            previous_owner: PreviousOwner::default(),
            by: ToldBy::Snapshot,
        }
    }
}
