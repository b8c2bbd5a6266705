//! What an entry says, as a row of the activity: pure, and borrowed from the entry.

use feed::Item;
use journal::{
    ChangedFacts, CommandCompleted, DriftDetected, Event, EventType, Inode, JournalId,
    NodeDownloaded, NodeKind, NodeState, NodeView, PreviousOwner, ReconciliationJob, Time, ToldBy,
};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt::Write;

/// One row, but for `ingested_at`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row<'a> {
    pub(crate) observed_at: Time,
    pub(crate) event_type: &'a str,
    pub(crate) node_id: Option<i64>,
    pub(crate) backend_mount_id: Option<i64>,
    pub(crate) path: Option<&'a str>,
    pub(crate) state: Option<&'static str>,
    pub(crate) consistency_state: Option<&'static str>,
    pub(crate) size_bytes: Option<i64>,
    pub(crate) size_delta: Option<i64>,
    pub(crate) journal_id: JournalId,
    pub(crate) command: Option<&'a str>,
    pub(crate) principal: Option<&'a str>,
    pub(crate) reconciliation_reason: Option<&'a str>,
    pub(crate) rest: Rest<'a>,
    pub(crate) kind: Option<&'static str>,
    pub(crate) parent_id: Option<i64>,
    pub(crate) version: Option<i64>,
    pub(crate) previous_path: Option<&'a str>,
    pub(crate) command_id: Option<&'a str>,
    pub(crate) duration_ms: Option<i64>,
    pub(crate) file_delta: Option<i64>,
    pub(crate) previous_backend_mount_id: Option<i64>,
    pub(crate) inode: Inode<'a>,
    pub(crate) modified_at: Option<Time>,
    pub(crate) extension: Option<Cow<'a, str>>,
    pub(crate) changed: ChangedFacts,
    pub(crate) previous_owner: PreviousOwner<'a>,
}

/// What the columns do not hold.
#[derive(Clone, Debug, Default)]
pub(crate) enum Rest<'a> {
    #[default]
    Nothing,
    Node {
        metadata: &'a RawValue,
        checksum: Option<&'a str>,
        content_hash: Option<&'a str>,
        idempotency_key: Option<&'a str>,
        link_target: Option<&'a str>,
        attributes: Option<&'a RawValue>,
        object_tags: Option<&'a RawValue>,
    },
    Command {
        result: &'a RawValue,
        idempotency_key: Option<&'a str>,
        nodes_changed: i64,
    },
    Drift {
        metadata: Option<&'a RawValue>,
    },
    Job {
        id: i64,
        status: &'static str,
        attempt: i64,
        result: Option<&'a RawValue>,
        error: Option<&'a RawValue>,
    },
    Download {
        mode: &'a str,
        range: Option<&'a str>,
    },
}

impl<'a> Row<'a> {
    /// The row of an entry. `now` is when an entry was observed whose data says nothing of it.
    pub(crate) fn of(item: &Item<'a>, now: Time) -> Self {
        let row = match item.event {
            Event::Command(event) => command(event),
            Event::Drift(event) => drift(event),
            Event::Job(event) => job(event),
            Event::Downloaded(event) => downloaded(event),
            event => match event.node() {
                Some(view) => node(&view, item.event_type, item.size_delta),
                None => Self {
                    node_id: item.node_id,
                    ..Self::default()
                },
            },
        };
        Self {
            observed_at: item.event.observed_at().unwrap_or(now),
            event_type: item.event_type.as_str(),
            journal_id: item.id,
            ..row
        }
    }
}

fn node<'a>(node: &NodeView<'a>, event_type: &EventType, size_delta: i64) -> Row<'a> {
    let row = Row {
        node_id: Some(node.node_id),
        backend_mount_id: Some(node.backend_mount_id),
        path: Some(node.path),
        state: Some(node.state.as_str()),
        size_bytes: node.size_bytes,
        size_delta: Some(size_delta),
        kind: Some(node.kind.as_str()),
        parent_id: node.parent_id,
        version: Some(node.version),
        previous_path: node.previous_path,
        file_delta: Some(file_delta(
            node.kind,
            was_there(node, event_type),
            node.state.is_there(),
        )),
        inode: node.inode,
        modified_at: node.last_modified_at,
        extension: extension(node.kind, node.path),
        changed: node.changed,
        previous_owner: node.previous_owner,
        ..Row::default()
    };
    let rest = |idempotency_key| Rest::Node {
        metadata: node.metadata,
        checksum: node.checksum,
        content_hash: node.content_hash,
        idempotency_key,
        link_target: node.inode.link_target,
        attributes: node.attributes,
        object_tags: node.object_tags,
    };
    match node.by {
        ToldBy::Command {
            command,
            command_id,
            principal,
            idempotency_key,
            previous_backend_mount_id,
        } => Row {
            command: Some(command),
            command_id,
            principal,
            previous_backend_mount_id: previous_backend_mount_id
                .filter(|mount| *mount != node.backend_mount_id),
            rest: rest(idempotency_key),
            ..row
        },
        ToldBy::Comparison { reason, .. } => Row {
            consistency_state: Some(node.consistency_state.as_str()),
            reconciliation_reason: Some(reason),
            rest: rest(None),
            ..row
        },
        ToldBy::Snapshot => Row {
            rest: rest(None),
            ..row
        },
    }
}

/// The extension of a file.
pub(crate) fn extension(kind: NodeKind, path: &str) -> Option<Cow<'_, str>> {
    match kind {
        NodeKind::File => journal::extension(path),
        NodeKind::Directory => None,
    }
}

/// Whether the node was on disk before.
fn was_there(node: &NodeView<'_>, event_type: &EventType) -> bool {
    match node.by {
        // Then it has a size before. Entries without a command id are not filestore's own and do
        // not tell; there the type has to do.
        ToldBy::Command { command_id, .. } => {
            node.previous_size_bytes.is_some()
                || (command_id.is_none()
                    && matches!(
                        event_type,
                        EventType::NodeUpdated | EventType::NodeMoved | EventType::NodeDeleted
                    ))
        }
        ToldBy::Comparison { previous_state, .. } => match previous_state {
            Some(word) => NodeState::from_word(word).is_some_and(NodeState::is_there),
            // A node without a state before is new, unless it is now missed.
            None => *event_type == EventType::NodeMissing,
        },
        ToldBy::Snapshot => false,
    }
}

fn command<'a>(event: &'a CommandCompleted<'a>) -> Row<'a> {
    Row {
        node_id: event.node_id,
        backend_mount_id: Some(event.backend_mount_id),
        path: Some(&event.path),
        command: Some(&event.command),
        principal: event.principal.as_deref(),
        command_id: event.command_id.as_deref(),
        duration_ms: Some(event.duration_ms),
        rest: Rest::Command {
            result: event.result,
            idempotency_key: event.idempotency_key.as_deref(),
            nodes_changed: event.nodes_changed,
        },
        ..Row::default()
    }
}

fn drift<'a>(event: &'a DriftDetected<'a>) -> Row<'a> {
    Row {
        node_id: event.node_id,
        backend_mount_id: Some(event.backend_mount_id),
        path: Some(&event.path),
        principal: event.reporter.as_deref(),
        reconciliation_reason: Some(&event.reason),
        rest: Rest::Drift {
            metadata: event.metadata,
        },
        ..Row::default()
    }
}

fn job<'a>(event: &'a ReconciliationJob<'a>) -> Row<'a> {
    Row {
        node_id: event.node_id,
        backend_mount_id: Some(event.backend_mount_id),
        path: Some(&event.path),
        reconciliation_reason: Some(event.reason.as_str()),
        duration_ms: event.duration_ms,
        rest: Rest::Job {
            id: event.id,
            status: event.status.as_str(),
            attempt: event.attempt,
            result: event.result,
            error: event.error,
        },
        ..Row::default()
    }
}

fn downloaded<'a>(event: &'a NodeDownloaded<'a>) -> Row<'a> {
    Row {
        node_id: Some(event.node_id),
        backend_mount_id: Some(event.backend_mount_id),
        path: Some(&event.path),
        size_bytes: event.size_bytes,
        principal: event.principal.as_deref(),
        rest: Rest::Download {
            mode: &event.mode,
            range: event.range.as_deref(),
        },
        ..Row::default()
    }
}

const fn file_delta(kind: NodeKind, was_there: bool, is_there: bool) -> i64 {
    match (kind, was_there, is_there) {
        (NodeKind::File, false, true) => 1,
        (NodeKind::File, true, false) => -1,
        _ => 0,
    }
}

impl Rest<'_> {
    /// Appends the JSON object; nothing, if it would be empty.
    pub(crate) fn write(&self, out: &mut String) {
        let mut object = Object { out };
        match self {
            Self::Nothing => {}
            Self::Node {
                metadata,
                checksum,
                content_hash,
                idempotency_key,
                link_target,
                attributes,
                object_tags,
            } => {
                object.raw("metadata", Some(metadata));
                object.text("checksum", *checksum);
                object.text("contentHash", *content_hash);
                object.text("idempotencyKey", *idempotency_key);
                object.text("linkTarget", *link_target);
                object.raw("attributes", *attributes);
                object.raw("objectTags", *object_tags);
            }
            Self::Command {
                result,
                idempotency_key,
                nodes_changed,
            } => {
                object.raw("result", Some(result));
                object.text("idempotencyKey", *idempotency_key);
                object.display("nodesChanged", format_args!("{nodes_changed}"));
            }
            Self::Drift { metadata } => object.raw("metadata", *metadata),
            Self::Job {
                id,
                status,
                attempt,
                result,
                error,
            } => {
                object.display("jobId", format_args!("{id}"));
                object.text("status", Some(status));
                object.display("attempt", format_args!("{attempt}"));
                object.raw("result", *result);
                object.raw("error", *error);
            }
            Self::Download { mode, range } => {
                object.text("mode", Some(mode));
                object.text("range", *range);
            }
        }
        object.end();
    }
}

/// A JSON object that begins with its first member.
struct Object<'a> {
    out: &'a mut String,
}

impl Object<'_> {
    fn display(&mut self, key: &str, value: std::fmt::Arguments<'_>) {
        let before = if self.out.is_empty() { '{' } else { ',' };
        // Writing to a string does not fail.
        let _ = write!(self.out, "{before}\"{key}\":{value}");
    }

    fn raw(&mut self, key: &str, value: Option<&RawValue>) {
        if let Some(text) = value
            .map(RawValue::get)
            .filter(|text| !matches!(*text, "{}" | "null"))
        {
            self.display(key, format_args!("{text}"));
        }
    }

    fn text(&mut self, key: &str, value: Option<&str>) {
        if let Some(json) = value.and_then(|text| serde_json::to_string(text).ok()) {
            self.display(key, format_args!("{json}"));
        }
    }

    fn end(self) {
        if !self.out.is_empty() {
            self.out.push('}');
        }
    }
}
