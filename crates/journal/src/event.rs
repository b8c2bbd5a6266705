//! The event catalogue: every type that a journal entry can have, and its data.
//!
//! Fields and their JSON names follow AppHub's filestore events; what is ours on top is optional
//! on input, so that an entry that AppHub could have written decodes too. Text borrows from the
//! entry, metadata stays raw JSON.

use crate::{
    ChangedFacts, ConsistencyState, FileType, Inode, JobStatus, JournalId, NodeKind, NodeState,
    NodeView, PreviousOwner, ReconcileReason, Text, Time, ToldBy,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::fmt;

macro_rules! event_types {
    ($($(#[$meta:meta])* $variant:ident = $text:literal,)+) => {
        /// The type of an entry. Types this version does not know are kept, digested and skipped.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum EventType {
            $($(#[$meta])* $variant,)+
            /// A type of a later version.
            Other(Box<str>),
        }

        impl EventType {
            /// Every type of the catalogue.
            pub const CATALOGUE: &[&'static str] = &[$($text,)+];

            /// The type as it travels.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self { $(Self::$variant => $text,)+ Self::Other(text) => text }
            }
        }

        impl From<&str> for EventType {
            fn from(text: &str) -> Self {
                match text { $($text => Self::$variant,)+ _ => Self::Other(text.into()) }
            }
        }
    };
}

event_types! {
    /// A node came to be: a directory was created, or a scan found a node.
    NodeCreated = "filestore.node.created",
    /// A file's contents were uploaded.
    NodeUploaded = "filestore.node.uploaded",
    /// A node's contents or metadata changed.
    NodeUpdated = "filestore.node.updated",
    /// A node has another path, itself moved or with an ancestor.
    NodeMoved = "filestore.node.moved",
    /// A node came to be as a copy.
    NodeCopied = "filestore.node.copied",
    /// A node was deleted.
    NodeDeleted = "filestore.node.deleted",
    /// A node was compared with the disk and set right.
    NodeReconciled = "filestore.node.reconciled",
    /// The disk no longer has the node.
    NodeMissing = "filestore.node.missing",
    /// A command is complete.
    CommandCompleted = "filestore.command.completed",
    /// A node was seen to differ from the disk.
    DriftDetected = "filestore.drift.detected",
    /// A reconciliation job waits.
    JobQueued = "filestore.reconciliation.job.queued",
    /// A reconciliation job began.
    JobStarted = "filestore.reconciliation.job.started",
    /// A reconciliation job ended well.
    JobCompleted = "filestore.reconciliation.job.completed",
    /// A reconciliation job ended by an error.
    JobFailed = "filestore.reconciliation.job.failed",
    /// A reconciliation job was stopped.
    JobCancelled = "filestore.reconciliation.job.cancelled",
    /// A file's contents were handed out.
    NodeDownloaded = "filestore.node.downloaded",
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `filestore.node.created | uploaded | updated | moved | copied | deleted`: the node's whole
/// state after the change. Sizes are in bytes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(
    missing_docs,
    reason = "the fields are the node's own, named in the contract"
)]
pub struct NodeEvent<'a> {
    pub backend_mount_id: i64,
    pub node_id: i64,
    #[serde(borrow)]
    pub path: Text<'a>,
    pub kind: NodeKind,
    pub state: NodeState,
    pub parent_id: Option<i64>,
    pub version: i64,
    pub size_bytes: Option<i64>,
    #[serde(borrow)]
    pub checksum: Option<Text<'a>>,
    #[serde(borrow)]
    pub content_hash: Option<Text<'a>>,
    #[serde(borrow)]
    pub metadata: &'a RawValue,
    pub journal_id: JournalId,
    #[serde(borrow)]
    pub command: Text<'a>,
    #[serde(borrow)]
    pub idempotency_key: Option<Text<'a>>,
    #[serde(borrow)]
    pub principal: Option<Text<'a>>,
    pub observed_at: Time,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub previous_path: Option<Text<'a>>,
    /// Where it moved from, if that is another mount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_backend_mount_id: Option<i64>,
    #[serde(default)]
    pub previous_size_bytes: Option<i64>,
    #[serde(default)]
    pub size_delta: i64,
    #[serde(default)]
    pub last_modified_at: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_type: Option<FileType>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    /// The user's name, where the system knows it.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Text<'a>>,
    /// The group's name, where the system knows it.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Text<'a>>,
    /// The permission bits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub links: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allocated_bytes: Option<i64>,
    /// The change time (ctime).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_at: Option<Time>,
    /// When a regular file was last read (atime), where the mount has that asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accessed_at: Option<Time>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub extension: Option<Text<'a>>,
    /// What a symlink points to.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub link_target: Option<Text<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<Text<'a>>,
    /// The access control lists and extended attributes, where the mount has them asked for and
    /// there are any.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<&'a RawValue>,
    /// The tags of an object, where the mount has them asked for and there are any.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub object_tags: Option<&'a RawValue>,
    /// Which facts differ from the state before.
    #[serde(default, skip_serializing_if = "ChangedFacts::is_empty")]
    pub changed: ChangedFacts,
    /// Whose it was, where that is another one and was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_uid: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_gid: Option<u32>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub previous_user: Option<Text<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub previous_group: Option<Text<'a>>,
}

/// `filestore.node.reconciled | missing`: the node's whole state after it was compared with the
/// disk.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(
    missing_docs,
    reason = "the fields are the node's own, named in the contract"
)]
pub struct NodeReconciled<'a> {
    pub backend_mount_id: i64,
    pub node_id: i64,
    #[serde(borrow)]
    pub path: Text<'a>,
    pub kind: NodeKind,
    pub state: NodeState,
    pub parent_id: Option<i64>,
    pub version: i64,
    pub size_bytes: Option<i64>,
    #[serde(borrow)]
    pub checksum: Option<Text<'a>>,
    #[serde(borrow)]
    pub content_hash: Option<Text<'a>>,
    #[serde(borrow)]
    pub metadata: &'a RawValue,
    pub consistency_state: ConsistencyState,
    pub consistency_checked_at: Time,
    pub last_reconciled_at: Option<Time>,
    #[serde(borrow)]
    pub previous_state: Option<Text<'a>>,
    pub reason: ReconcileReason,
    pub observed_at: Time,
    #[serde(default)]
    pub journal_id: JournalId,
    #[serde(borrow, default)]
    pub previous_path: Option<Text<'a>>,
    #[serde(default)]
    pub previous_size_bytes: Option<i64>,
    #[serde(default)]
    pub size_delta: i64,
    #[serde(default)]
    pub last_modified_at: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_type: Option<FileType>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    /// The user's name, where the system knows it.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Text<'a>>,
    /// The group's name, where the system knows it.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Text<'a>>,
    /// The permission bits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub links: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allocated_bytes: Option<i64>,
    /// The change time (ctime).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_at: Option<Time>,
    /// When a regular file was last read (atime), where the mount has that asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accessed_at: Option<Time>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub extension: Option<Text<'a>>,
    /// What a symlink points to.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub link_target: Option<Text<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<Text<'a>>,
    /// The access control lists and extended attributes, where the mount has them asked for and
    /// there are any.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<&'a RawValue>,
    /// The tags of an object, where the mount has them asked for and there are any.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub object_tags: Option<&'a RawValue>,
    /// Which facts differ from the state before.
    #[serde(default, skip_serializing_if = "ChangedFacts::is_empty")]
    pub changed: ChangedFacts,
    /// Whose it was, where that is another one and was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_uid: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_gid: Option<u32>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub previous_user: Option<Text<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub previous_group: Option<Text<'a>>,
}

/// `filestore.command.completed`: the last entry of every command. `duration_ms` counts from the
/// command's acceptance to its commit.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are named in the contract")]
pub struct CommandCompleted<'a> {
    pub journal_id: JournalId,
    #[serde(borrow)]
    pub command: Text<'a>,
    pub backend_mount_id: i64,
    pub node_id: Option<i64>,
    #[serde(borrow)]
    pub path: Text<'a>,
    #[serde(borrow)]
    pub idempotency_key: Option<Text<'a>>,
    #[serde(borrow)]
    pub principal: Option<Text<'a>>,
    #[serde(borrow)]
    pub result: &'a RawValue,
    pub observed_at: Time,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<Text<'a>>,
    #[serde(default)]
    pub duration_ms: i64,
    #[serde(default)]
    pub nodes_changed: i64,
}

/// `filestore.drift.detected`: a node was seen to differ from the disk.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are named in the contract")]
pub struct DriftDetected<'a> {
    pub backend_mount_id: i64,
    pub node_id: Option<i64>,
    #[serde(borrow)]
    pub path: Text<'a>,
    pub detected_at: Time,
    #[serde(borrow)]
    pub reason: Text<'a>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub reporter: Option<Text<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<&'a RawValue>,
    #[serde(default)]
    pub journal_id: JournalId,
}

/// `filestore.reconciliation.job.*`: a reconciliation job's state after the change.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are named in the contract")]
pub struct ReconciliationJob<'a> {
    pub id: i64,
    #[serde(borrow)]
    pub job_key: Text<'a>,
    pub backend_mount_id: i64,
    pub node_id: Option<i64>,
    #[serde(borrow)]
    pub path: Text<'a>,
    pub reason: ReconcileReason,
    pub status: JobStatus,
    pub detect_children: bool,
    pub requested_hash: bool,
    pub attempt: i64,
    #[serde(borrow)]
    pub result: Option<&'a RawValue>,
    #[serde(borrow)]
    pub error: Option<&'a RawValue>,
    pub enqueued_at: Time,
    pub started_at: Option<Time>,
    pub completed_at: Option<Time>,
    pub duration_ms: Option<i64>,
    pub updated_at: Time,
    #[serde(default)]
    pub journal_id: JournalId,
}

/// `filestore.node.downloaded`: a file's contents were handed out.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are named in the contract")]
pub struct NodeDownloaded<'a> {
    pub backend_mount_id: i64,
    pub node_id: i64,
    #[serde(borrow)]
    pub path: Text<'a>,
    pub size_bytes: Option<i64>,
    #[serde(borrow)]
    pub checksum: Option<Text<'a>>,
    #[serde(borrow)]
    pub content_hash: Option<Text<'a>>,
    #[serde(borrow)]
    pub principal: Option<Text<'a>>,
    #[serde(borrow)]
    pub mode: Text<'a>,
    #[serde(borrow)]
    pub range: Option<Text<'a>>,
    pub observed_at: Time,
    #[serde(default)]
    pub journal_id: JournalId,
}

/// A decoded entry.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each variant is its struct's documentation")]
pub enum Event<'a> {
    Node(NodeEvent<'a>),
    Reconciled(NodeReconciled<'a>),
    Command(CommandCompleted<'a>),
    Drift(DriftDetected<'a>),
    Job(ReconciliationJob<'a>),
    Downloaded(NodeDownloaded<'a>),
    /// A type this version does not know: skipped without an error.
    Other,
}

/// The data of a known type lacks what the catalogue promises: a poison entry.
#[derive(Debug, thiserror::Error)]
#[error("the data of {event_type} is not as the catalogue promises")]
pub struct DecodeError {
    /// The type.
    pub event_type: String,
    #[source]
    source: serde_json::Error,
}

impl<'a> Event<'a> {
    /// The typed event of this data.
    ///
    /// # Errors
    /// The type is known, and the data lacks what the catalogue promises for it.
    pub fn decode(event_type: &EventType, data: &'a RawValue) -> Result<Self, DecodeError> {
        let text = data.get();
        match event_type {
            EventType::NodeCreated
            | EventType::NodeUploaded
            | EventType::NodeUpdated
            | EventType::NodeMoved
            | EventType::NodeCopied => serde_json::from_str(text).map(Self::Node),
            EventType::NodeDeleted => serde_json::from_str(text).map(|event| {
                Self::Node(NodeEvent {
                    state: NodeState::Deleted,
                    ..event
                })
            }),
            EventType::NodeReconciled | EventType::NodeMissing => {
                serde_json::from_str(text).map(Self::Reconciled)
            }
            EventType::CommandCompleted => serde_json::from_str(text).map(Self::Command),
            EventType::DriftDetected => serde_json::from_str(text).map(Self::Drift),
            EventType::JobQueued
            | EventType::JobStarted
            | EventType::JobCompleted
            | EventType::JobFailed
            | EventType::JobCancelled => serde_json::from_str(text).map(Self::Job),
            EventType::NodeDownloaded => serde_json::from_str(text).map(Self::Downloaded),
            EventType::Other(_) => Ok(Self::Other),
        }
        .map_err(|source| DecodeError {
            event_type: event_type.as_str().to_owned(),
            source,
        })
    }

    /// When the fact was observed, for everything but [`Event::Other`].
    #[must_use]
    pub fn observed_at(&self) -> Option<Time> {
        match self {
            Self::Node(event) => Some(event.observed_at),
            Self::Reconciled(event) => Some(event.observed_at),
            Self::Command(event) => Some(event.observed_at),
            Self::Drift(event) => Some(event.detected_at),
            Self::Job(event) => Some(event.updated_at),
            Self::Downloaded(event) => Some(event.observed_at),
            Self::Other => None,
        }
    }

    /// The node that it is about, if it is about one.
    #[must_use]
    pub fn node_id(&self) -> Option<i64> {
        match self {
            Self::Node(event) => Some(event.node_id),
            Self::Reconciled(event) => Some(event.node_id),
            Self::Downloaded(event) => Some(event.node_id),
            Self::Command(event) => event.node_id,
            Self::Drift(event) => event.node_id,
            Self::Job(event) => event.node_id,
            Self::Other => None,
        }
    }

    /// By how many bytes the tree grew (or shrank) with it.
    #[must_use]
    pub fn size_delta(&self) -> i64 {
        match self {
            Self::Node(event) => event.size_delta,
            Self::Reconciled(event) => event.size_delta,
            _ => 0,
        }
    }

    /// The node's whole state after it, if it tells one.
    #[must_use]
    pub fn node(&self) -> Option<NodeView<'_>> {
        match self {
            Self::Node(event) => Some(event.view()),
            Self::Reconciled(event) => Some(event.view()),
            _ => None,
        }
    }
}

impl NodeEvent<'_> {
    fn view(&self) -> NodeView<'_> {
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
            metadata: self.metadata,
            observed_at: self.observed_at,
            last_modified_at: self.last_modified_at,
            previous_path: self.previous_path.as_deref(),
            previous_size_bytes: self.previous_size_bytes,
            consistency_state: self.state.consistency(),
            inode: Inode {
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
            },
            attributes: self.attributes,
            object_tags: self.object_tags,
            changed: self.changed,
            previous_owner: PreviousOwner {
                uid: self.previous_uid,
                gid: self.previous_gid,
                user: self.previous_user.as_deref(),
                group: self.previous_group.as_deref(),
            },
            by: ToldBy::Command {
                command: &self.command,
                command_id: self.command_id.as_deref(),
                principal: self.principal.as_deref(),
                idempotency_key: self.idempotency_key.as_deref(),
                previous_backend_mount_id: self.previous_backend_mount_id,
            },
        }
    }
}

impl NodeReconciled<'_> {
    fn view(&self) -> NodeView<'_> {
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
            metadata: self.metadata,
            observed_at: self.observed_at,
            last_modified_at: self.last_modified_at,
            previous_path: self.previous_path.as_deref(),
            previous_size_bytes: self.previous_size_bytes,
            consistency_state: self.consistency_state,
            inode: Inode {
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
            },
            attributes: self.attributes,
            object_tags: self.object_tags,
            changed: self.changed,
            previous_owner: PreviousOwner {
                uid: self.previous_uid,
                gid: self.previous_gid,
                user: self.previous_user.as_deref(),
                group: self.previous_group.as_deref(),
            },
            by: ToldBy::Comparison {
                checked_at: self.consistency_checked_at,
                last_reconciled_at: self.last_reconciled_at,
                reason: self.reason.as_str(),
                previous_state: self.previous_state.as_deref(),
            },
        }
    }
}
