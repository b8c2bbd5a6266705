//! Nodes as the API shows them.

use crate::words;
use catalogue::rollups::Rollup;
use catalogue::{Metadata, Node, Owner};
use journal::{ConsistencyState, FileType, NodeKind, NodeState, Time};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A node.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Node)]
pub struct NodeView {
    /// Its id, which it keeps for ever.
    pub id: i64,
    /// The mount it is in.
    pub backend_mount_id: i64,
    /// The directory it is in; `null` for a mount's root.
    pub parent_id: Option<i64>,
    /// Relative to the mount, `""` for its root.
    pub path: String,
    /// The last part of the path.
    pub name: String,
    /// How many names the path has.
    pub depth: i64,
    /// What it is.
    #[schema(value_type = words::NodeKind)]
    pub kind: NodeKind,
    /// The length of a regular file; 0 for everything else.
    pub size_bytes: i64,
    /// What the client that uploaded it promised, `sha256:<hex>` for example.
    pub checksum: Option<String>,
    /// `blake3:<hex>` of its contents, where known.
    pub content_hash: Option<String>,
    /// What people wrote on it.
    #[schema(value_type = Object)]
    pub metadata: Box<RawValue>,
    /// Where it is in its life.
    #[schema(value_type = words::NodeState)]
    pub state: NodeState,
    /// Grows with every change.
    pub version: i64,
    /// It is a symlink, which nobody follows.
    pub is_symlink: bool,
    /// ＋ What kind of file it is; `null` until a scan has told it.
    #[schema(value_type = Option<words::FileType>)]
    pub file_type: Option<FileType>,
    /// ＋ The user's id; `null` in buckets, and until a scan has told it.
    pub uid: Option<u32>,
    /// ＋ The group's id.
    pub gid: Option<u32>,
    /// ＋ The user's name, where the system knows it. In buckets, the account that the object belongs to:
    /// its display name, or else its id.
    pub user: Option<String>,
    /// ＋ The group's name, where the system knows it.
    pub group: Option<String>,
    /// ＋ The permission bits, at most 4095 (0o7777).
    pub mode: Option<u32>,
    /// ＋ How many names the file has; `null` for directories.
    pub links: Option<u32>,
    /// ＋ The bytes that it takes on disk; `null` for directories.
    pub allocated_bytes: Option<i64>,
    /// ＋ The change time (ctime); `null` for directories.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub changed_at: Option<Time>,
    /// ＋ When the file was last read (atime), where the mount's setting `accessTimes` has that asked for:
    /// as a whole scan last told it, at most once a day.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub accessed_at: Option<Time>,
    /// ＋ What a symlink points to, as it is written in it.
    pub link_target: Option<String>,
    /// ＋ What follows the last dot of a file's name, in lower case.
    pub extension: Option<String>,
    /// ＋ The storage class of an object in a bucket.
    pub storage_class: Option<String>,
    /// ＋ Its access control lists and extended attributes (`acl`, `defaultAcl`, `xattrs`), where the
    /// mount's setting `extendedAttributes` has them asked for and there are any.
    #[schema(value_type = Option<Object>)]
    pub attributes: Option<Box<RawValue>>,
    /// ＋ The tags of an object, where the mount's setting `objectTags` has them asked for and there are
    /// any.
    #[schema(value_type = Option<Object>)]
    pub object_tags: Option<Box<RawValue>>,
    /// When a command or a scan last saw it change.
    #[schema(value_type = String, format = DateTime)]
    pub last_seen_at: Time,
    /// When its contents last changed; `null` for directories.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_modified_at: Option<Time>,
    /// What the last comparison with the disk said.
    #[schema(value_type = words::ConsistencyState)]
    pub consistency_state: ConsistencyState,
    /// When it was compared.
    #[schema(value_type = String, format = DateTime)]
    pub consistency_checked_at: Time,
    /// When it was last set right.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_reconciled_at: Option<Time>,
    /// When it was last seen to differ.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_drift_detected_at: Option<Time>,
    /// When the node came to be.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Time,
    /// When it was deleted.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub deleted_at: Option<Time>,
    /// ＋ The last journal entry that changed it.
    pub last_journal_id: u64,
    /// What lies below a directory; `null` for files.
    pub rollup: Option<RollupView>,
    /// How to get a regular file's contents.
    pub download: Option<DownloadView>,
}

/// How to get a file's contents.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DownloadView {
    /// `stream`: from this service.
    pub mode: String,
    /// Where, on this service.
    pub stream_url: String,
    /// Where else; `null` for local mounts.
    pub presign_url: Option<String>,
    /// Byte ranges are served.
    pub supports_range: bool,
    /// As the node has it.
    pub size_bytes: Option<i64>,
    /// As the node has it.
    pub checksum: Option<String>,
    /// As the node has it.
    pub content_hash: Option<String>,
    /// The node's name.
    pub filename: Option<String>,
}

/// What lies below a directory.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RollupView {
    /// The directory.
    pub node_id: i64,
    /// The length of all files below it; 2^63 - 1 if it is that or more.
    pub size_bytes: i64,
    /// How many files, symlinks among them.
    pub file_count: i64,
    /// How many directories, itself not counted.
    pub directory_count: i64,
    /// How many names directly in it.
    pub child_count: i64,
    /// Always `up_to_date`: rollups change with the nodes.
    pub state: String,
    /// When they last changed.
    #[schema(value_type = String, format = DateTime)]
    pub last_calculated_at: Time,
}

impl NodeView {
    /// The view of a node.
    pub(crate) fn of(node: &Node, owner: Owner, rollup: Option<Rollup>) -> Self {
        let inode = node.facts.inode;
        Self {
            id: node.id,
            backend_mount_id: node.mount_id,
            parent_id: node.parent_id,
            path: node.path.clone(),
            name: node.name().to_owned(),
            depth: node.depth(),
            kind: node.facts.kind,
            size_bytes: node.facts.size_bytes,
            checksum: node.checksum_in_force(),
            content_hash: node.hash_in_force(),
            metadata: Metadata::as_raw(&node.metadata).to_owned(),
            state: node.state,
            version: node.version,
            is_symlink: node.facts.is_symlink,
            file_type: node.facts.file_type(),
            uid: inode.map(|inode| inode.uid),
            gid: inode.map(|inode| inode.gid),
            user: owner.user.map(|name| name.to_string()),
            group: owner.group.map(|name| name.to_string()),
            mode: inode.map(|inode| inode.mode.into()),
            links: inode.and_then(|inode| inode.links),
            allocated_bytes: inode.and_then(|inode| inode.allocated_bytes),
            changed_at: node.last_changed_at(),
            accessed_at: node.last_accessed_at(),
            link_target: node.link_target.clone(),
            extension: node.extension().map(Into::into),
            storage_class: node
                .facts
                .object
                .storage_class
                .map(|class| class.as_str().to_owned()),
            attributes: node.attributes.clone(),
            object_tags: node.object_tags.clone(),
            last_seen_at: node.last_seen_at.unwrap_or(node.updated_at),
            last_modified_at: node.last_modified_at(),
            consistency_state: node.consistency_state,
            consistency_checked_at: node.consistency_checked_at.unwrap_or(node.updated_at),
            last_reconciled_at: node.last_reconciled_at,
            last_drift_detected_at: node.last_drift_detected_at,
            created_at: node.created_at,
            updated_at: node.updated_at,
            deleted_at: node.deleted_at,
            last_journal_id: node.journal_id.get(),
            rollup: rollup.map(|rollup| RollupView::of(node.id, rollup)),
            download: DownloadView::of(node),
        }
    }
}

impl RollupView {
    pub(crate) fn of(node_id: i64, rollup: Rollup) -> Self {
        Self {
            node_id,
            size_bytes: i64::try_from(rollup.size_bytes).unwrap_or(i64::MAX),
            file_count: rollup.file_count,
            directory_count: rollup.directory_count,
            child_count: rollup.child_count,
            state: "up_to_date".to_owned(),
            last_calculated_at: rollup.last_calculated_at,
        }
    }
}

impl DownloadView {
    /// Only regular files that are on disk have contents.
    fn of(node: &Node) -> Option<Self> {
        if node.is_directory() || node.facts.is_symlink || !node.is_on_disk() {
            return None;
        }
        Some(Self {
            mode: "stream".to_owned(),
            stream_url: format!("/v1/files/{}/content", node.id),
            presign_url: None,
            supports_range: true,
            size_bytes: Some(node.facts.size_bytes),
            checksum: node.checksum_in_force(),
            content_hash: node.hash_in_force(),
            filename: Some(node.name().to_owned()),
        })
    }
}
