//! What changed, why, and the journal entry that tells it.

use super::{Node, Owner, StoreError, rollups};
use journal::{
    ChangedFacts, EventType, Fact as NodeFact, Inode, JournalId, NodeEvent, NodeKind,
    NodeReconciled, NodeState, PreviousOwner, ReconcileReason, Text, Time,
};
use node::{Facts, LongFact, StorageClass};
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
    (cause, verb): (&Cause<'_>, Verb),
    before: Option<&Node>,
    (after, owner): (&Node, Option<&Owner>),
    owner_before: impl FnOnce(&Node) -> Owner,
    now: Time,
) -> Result<(), StoreError> {
    let inode = inode(&after.facts, after.text(LongFact::LinkTarget), owner);
    let before_change = before.filter(|before| has_other_owner(before, after));
    let owner_before = before_change.map(owner_before).unwrap_or_default();
    let previous = previous_owner(before_change, &owner_before);
    let after = (after, inode, previous);
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
    (after, inode, previous): (&'a Node, Inode<'a>, PreviousOwner<'a>),
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
        file_type: inode.file_type,
        uid: inode.uid,
        gid: inode.gid,
        user: inode.user.map(Text::from),
        group: inode.group.map(Text::from),
        mode: inode.mode,
        links: inode.links,
        allocated_bytes: inode.allocated_bytes,
        changed_at: inode.changed_at,
        accessed_at: inode.accessed_at,
        extension: after.extension().map(Text),
        link_target: inode.link_target.map(Text::from),
        storage_class: inode.storage_class.map(Text::from),
        attributes: after.attributes.as_deref(),
        object_tags: after.object_tags.as_deref(),
        changed: changed_facts(before, after),
        previous_uid: previous.uid,
        previous_gid: previous.gid,
        previous_user: previous.user.map(Text::from),
        previous_group: previous.group.map(Text::from),
    }
}

fn reconciled<'a>(
    reason: ReconcileReason,
    before: Option<&'a Node>,
    (after, inode, previous): (&'a Node, Inode<'a>, PreviousOwner<'a>),
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
        file_type: inode.file_type,
        uid: inode.uid,
        gid: inode.gid,
        user: inode.user.map(Text::from),
        group: inode.group.map(Text::from),
        mode: inode.mode,
        links: inode.links,
        allocated_bytes: inode.allocated_bytes,
        changed_at: inode.changed_at,
        accessed_at: inode.accessed_at,
        extension: after.extension().map(Text),
        link_target: inode.link_target.map(Text::from),
        storage_class: inode.storage_class.map(Text::from),
        attributes: after.attributes.as_deref(),
        object_tags: after.object_tags.as_deref(),
        changed: changed_facts(before, after),
        previous_uid: previous.uid,
        previous_gid: previous.gid,
        previous_user: previous.user.map(Text::from),
        previous_group: previous.group.map(Text::from),
    }
}

/// The facts as they are told.
pub(super) fn inode<'a>(
    facts: &Facts,
    link_target: Option<&'a str>,
    owner: Option<&'a Owner>,
) -> Inode<'a> {
    let inode = facts.inode;
    Inode {
        user: owner.and_then(|owner| owner.user.as_deref()),
        group: owner.and_then(|owner| owner.group.as_deref()),
        file_type: facts.file_type(),
        uid: inode.map(|inode| inode.uid),
        gid: inode.map(|inode| inode.gid),
        mode: inode.map(|inode| inode.mode.into()),
        links: inode.and_then(|inode| inode.links),
        allocated_bytes: inode.and_then(|inode| inode.allocated_bytes),
        changed_at: facts
            .changed_ns
            .map(|changed| Time::from_millis(changed.as_millis())),
        accessed_at: inode
            .and_then(|inode| inode.accessed_ms)
            .map(Time::from_millis),
        link_target,
        storage_class: facts.object.storage_class.map(StorageClass::as_str),
    }
}

fn has_other_owner(before: &Node, after: &Node) -> bool {
    match (before.facts.inode, after.facts.inode) {
        (Some(old), Some(new)) => old.uid != new.uid || old.gid != new.gid,
        _ => has_other_object_owner(before, after),
    }
}

fn has_other_object_owner(before: &Node, after: &Node) -> bool {
    let (old, new) = (before.facts.object.owner, after.facts.object.owner);
    old.is_some() && old != new
}

/// Whose it was; both user and group, though one may be the same.
fn previous_owner<'a>(before: Option<&Node>, owner: &'a Owner) -> PreviousOwner<'a> {
    let inode = before.and_then(|before| before.facts.inode);
    PreviousOwner {
        uid: inode.map(|inode| inode.uid),
        gid: inode.map(|inode| inode.gid),
        user: owner.user.as_deref(),
        group: owner.group.as_deref(),
    }
}

/// What differs from the state before; nothing of a node that is new.
fn changed_facts(before: Option<&Node>, after: &Node) -> ChangedFacts {
    let Some(before) = before else {
        return ChangedFacts::default();
    };
    let told = |node: &Node| inode(&node.facts, None, None);
    let (old, new) = (told(before), told(after));
    // 0 stands for none, as no number does.
    let number = |node: &Node, fact| node.facts.long(fact).unwrap_or(0);
    let has_other = |fact| number(before, fact) != number(after, fact);
    let metadata = before.metadata.as_raw().get() != after.metadata.as_raw().get();
    ChangedFacts::default()
        .with(NodeFact::FileType, old.file_type != new.file_type)
        .with(
            NodeFact::SizeBytes,
            before.facts.size_bytes != after.facts.size_bytes,
        )
        .with(
            NodeFact::LastModifiedAt,
            before.facts.modified_ns != after.facts.modified_ns,
        )
        .with(NodeFact::Uid, old.uid != new.uid)
        .with(NodeFact::Gid, old.gid != new.gid)
        .with(NodeFact::Mode, old.mode != new.mode)
        .with(NodeFact::Links, old.links != new.links)
        .with(
            NodeFact::AllocatedBytes,
            old.allocated_bytes != new.allocated_bytes,
        )
        .with(NodeFact::Checksum, before.checksum != after.checksum)
        .with(
            NodeFact::ContentHash,
            before.content_hash != after.content_hash,
        )
        .with(NodeFact::Metadata, metadata)
        .with(
            NodeFact::StorageClass,
            old.storage_class != new.storage_class,
        )
        .with(NodeFact::Attributes, has_other(LongFact::Attributes))
        .with(NodeFact::AccessedAt, old.accessed_at != new.accessed_at)
        .with(NodeFact::LinkTarget, has_other(LongFact::LinkTarget))
        .with(NodeFact::ObjectTags, has_other(LongFact::ObjectTags))
        .with(
            NodeFact::User,
            before.facts.object.owner != after.facts.object.owner,
        )
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
