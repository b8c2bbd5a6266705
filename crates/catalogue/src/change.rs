//! What changed, why, and the journal entry that tells it.

use super::{Node, StoreError, rollups};
use journal::{
    EventType, JournalId, NodeEvent, NodeKind, NodeReconciled, NodeState, ReconcileReason, Text,
    Time,
};
use node::Facts;
use std::collections::HashMap;

/// On whose behalf a node changes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cause<'a> {
    /// The command's name, `scan` for a scan.
    pub command: &'a str,
    /// Shared by all entries of one command.
    pub command_id: Option<&'a str>,
    /// The key that the caller gave.
    pub idempotency_key: Option<&'a str>,
    /// Who asked.
    pub principal: Option<&'a str>,
}

/// What happened to the node: it decides the entry's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// It is new.
    Created,
    /// Contents were uploaded to it.
    Uploaded,
    /// What is known of it changed.
    Updated,
    /// It has another path.
    Moved,
    /// It is a copy that was made.
    Copied,
    /// A command deleted it.
    Deleted,
    /// It was compared with the disk.
    Reconciled(ReconcileReason),
    /// It is not on the disk any more.
    Missing(ReconcileReason),
}

impl Verb {
    /// The type of its entry.
    pub const fn event_type(self) -> EventType {
        match self {
            Self::Created => EventType::NodeCreated,
            Self::Uploaded => EventType::NodeUploaded,
            Self::Updated => EventType::NodeUpdated,
            Self::Moved => EventType::NodeMoved,
            Self::Copied => EventType::NodeCopied,
            Self::Deleted => EventType::NodeDeleted,
            Self::Reconciled(_) => EventType::NodeReconciled,
            Self::Missing(_) => EventType::NodeMissing,
        }
    }
}

/// By how many bytes the tree grows when `before` becomes `after`. Nodes that are not on disk weigh
/// nothing.
pub(super) fn size_delta(before: Option<&Node>, after: &Node) -> i64 {
    weight(after).unwrap_or(0) - before.and_then(weight).unwrap_or(0)
}

fn weight(node: &Node) -> Option<i64> {
    rollups::is_on_disk(node.state).then_some(node.facts.size_bytes)
}

/// Writes the entry's data.
pub(super) fn write_data(
    buffer: &mut Vec<u8>,
    cause: &Cause<'_>,
    verb: Verb,
    before: Option<&Node>,
    after: &Node,
    now: Time,
) -> Result<(), StoreError> {
    match verb {
        Verb::Reconciled(reason) | Verb::Missing(reason) => {
            serde_json::to_writer(buffer, &reconciled(reason, before, after, now))?;
        }
        _ => serde_json::to_writer(buffer, &changed(cause, before, after, now))?,
    }
    Ok(())
}

fn changed<'a>(
    cause: &Cause<'a>,
    before: Option<&'a Node>,
    after: &'a Node,
    now: Time,
) -> NodeEvent<'a> {
    NodeEvent {
        backend_mount_id: after.mount_id,
        node_id: after.id,
        path: Text::from(after.path.as_str()),
        kind: after.facts.kind,
        state: after.state,
        parent_id: after.parent_id,
        version: after.version,
        size_bytes: Some(after.facts.size_bytes),
        checksum: after.checksum.as_deref().map(Text::from),
        content_hash: after.content_hash.as_deref().map(Text::from),
        metadata: after.metadata.as_raw(),
        journal_id: after.journal_id,
        command: Text::from(cause.command),
        idempotency_key: cause.idempotency_key.map(Text::from),
        principal: cause.principal.map(Text::from),
        observed_at: now,
        command_id: cause.command_id.map(Text::from),
        previous_path: previous_path(before, after),
        previous_backend_mount_id: before
            .map(|node| node.mount_id)
            .filter(|mount| *mount != after.mount_id),
        previous_size_bytes: before.and_then(weight),
        size_delta: size_delta(before, after),
        last_modified_at: after.last_modified_at(),
    }
}

fn reconciled<'a>(
    reason: ReconcileReason,
    before: Option<&'a Node>,
    after: &'a Node,
    now: Time,
) -> NodeReconciled<'a> {
    NodeReconciled {
        backend_mount_id: after.mount_id,
        node_id: after.id,
        path: Text::from(after.path.as_str()),
        kind: after.facts.kind,
        state: after.state,
        parent_id: after.parent_id,
        version: after.version,
        size_bytes: Some(after.facts.size_bytes),
        checksum: after.checksum.as_deref().map(Text::from),
        content_hash: after.content_hash.as_deref().map(Text::from),
        metadata: after.metadata.as_raw(),
        consistency_state: after.consistency_state,
        consistency_checked_at: after.consistency_checked_at.unwrap_or(now),
        last_reconciled_at: after.last_reconciled_at,
        previous_state: before.map(|node| Text::from(node.state.as_str())),
        reason,
        observed_at: now,
        journal_id: after.journal_id,
        previous_path: previous_path(before, after),
        previous_size_bytes: before.and_then(weight),
        size_delta: size_delta(before, after),
        last_modified_at: after.last_modified_at(),
    }
}

fn previous_path<'a>(before: Option<&'a Node>, after: &Node) -> Option<Text<'a>> {
    let before = before?;
    let is_elsewhere = before.mount_id != after.mount_id || before.path != after.path;
    is_elsewhere.then(|| Text::from(before.path.as_str()))
}

/// Takes what is known of the node's new place.
pub(super) fn place(node: &mut Node, placed: &HashMap<String, Facts>) {
    let Some(facts) = placed.get(&node.path) else {
        return;
    };
    if facts.kind != node.facts.kind {
        return;
    }
    if facts.size_bytes != node.facts.size_bytes {
        node.checksum = None;
        node.content_hash = None;
    }
    node.facts = *facts;
}

/// What `before` is after it left the disk, by a command or by itself.
pub(super) fn gone(before: &Node, verb: Verb, now: Time) -> Node {
    let mut after = before.clone();
    if let Verb::Missing(_) = verb {
        after.state = NodeState::Missing;
        after.consistency_state = journal::ConsistencyState::Missing;
        after.consistency_checked_at = Some(now);
    } else {
        after.state = NodeState::Deleted;
    }
    after
}

/// The entry of a journal that is not about one node's state: `append` gives it its id.
pub trait Fact: serde::Serialize {
    /// Its type.
    fn event_type(&self) -> EventType;
    /// The node it names.
    fn node_id(&self) -> Option<i64>;
    /// The data carries its own id.
    fn set_journal_id(&mut self, id: JournalId);
}

impl Fact for journal::CommandCompleted<'_> {
    fn event_type(&self) -> EventType {
        EventType::CommandCompleted
    }

    fn node_id(&self) -> Option<i64> {
        self.node_id
    }

    fn set_journal_id(&mut self, id: JournalId) {
        self.journal_id = id;
    }
}

impl Fact for journal::NodeDownloaded<'_> {
    fn event_type(&self) -> EventType {
        EventType::NodeDownloaded
    }

    fn node_id(&self) -> Option<i64> {
        Some(self.node_id)
    }

    fn set_journal_id(&mut self, id: JournalId) {
        self.journal_id = id;
    }
}

impl Fact for journal::DriftDetected<'_> {
    fn event_type(&self) -> EventType {
        EventType::DriftDetected
    }

    fn node_id(&self) -> Option<i64> {
        self.node_id
    }

    fn set_journal_id(&mut self, id: JournalId) {
        self.journal_id = id;
    }
}

/// Whether a change may turn `before` into `after`: a node never changes its kind.
pub(super) fn keeps_kind(before: Option<&Node>, kind: NodeKind) -> bool {
    before.is_none_or(|before| before.facts.kind == kind)
}
