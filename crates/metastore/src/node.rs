//! The sync's part of a record, as it is read.

use journal::{
    ConsistencyState, FileType, JournalId, NodeKind, NodeState, SnapshotInode, SnapshotNode, Time,
};
use rusqlite::Row;
use rusqlite::types::Type;
use serde::Serialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// `metadata.filestore` of a record.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FilestoreNode)]
#[expect(
    missing_docs,
    reason = "the fields are the node's own, named in the contract"
)]
pub struct Node {
    pub backend_mount_id: i64,
    pub path: String,
    #[schema(value_type = String)]
    pub kind: NodeKind,
    #[schema(value_type = String)]
    pub state: NodeState,
    pub parent_id: Option<i64>,
    pub version: i64,
    pub size_bytes: Option<i64>,
    pub checksum: Option<String>,
    pub content_hash: Option<String>,
    #[schema(value_type = Object)]
    pub node_metadata: Box<RawValue>,
    #[schema(value_type = String, format = DateTime)]
    pub observed_at: Time,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_modified_at: Option<Time>,
    #[schema(value_type = u64)]
    pub journal_id: JournalId,
    pub command: Option<String>,
    pub principal: Option<String>,
    #[schema(value_type = String)]
    pub consistency_state: ConsistencyState,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub consistency_checked_at: Option<Time>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_reconciled_at: Option<Time>,
    pub reconciliation_reason: Option<String>,
    pub previous_state: Option<String>,
    pub previous_path: Option<String>,
    /// What kind of file it is.
    #[schema(value_type = Option<String>)]
    pub file_type: Option<FileType>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    /// The user's name, as the filestore's machine knows it.
    pub user: Option<String>,
    /// The group's name, as the filestore's machine knows it.
    pub group: Option<String>,
    /// The permission bits.
    pub mode: Option<u32>,
    /// How many names the file has; null for directories.
    pub links: Option<u32>,
    /// The bytes that it takes on disk; null for directories.
    pub allocated_bytes: Option<i64>,
    /// The change time (ctime); null for directories.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub changed_at: Option<Time>,
    /// What follows the last dot of a file's name, in lower case.
    pub extension: Option<String>,
    /// The storage class of an object in a bucket.
    pub storage_class: Option<String>,
    /// Access control lists and extended attributes (`acl`, `defaultAcl`, `xattrs`), where the mount
    /// has them asked for and there are any.
    #[schema(value_type = Option<Object>)]
    pub attributes: Option<Box<RawValue>>,
    /// When the file was last read (atime), where the mount has that asked for.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub accessed_at: Option<Time>,
    /// What a symlink points to, as it is written in it.
    pub link_target: Option<String>,
    /// The tags of an object, where the mount has them asked for and there are any.
    #[schema(value_type = Option<Object>)]
    pub object_tags: Option<Box<RawValue>>,
    /// Why a namespace rule quarantines the node, if one does.
    pub quarantine_reason: Option<String>,
    /// The sync's part of the soft deletion.
    #[serde(skip)]
    pub deleted_at: Option<Time>,
}

impl Node {
    /// The node of a row of `records_select.sql`; `None` where the record has none.
    pub(crate) fn from_row(row: &Row<'_>) -> rusqlite::Result<Option<Self>> {
        if row.get_ref("node_id")?.as_i64_or_null()?.is_none() {
            return Ok(None);
        }
        let time = |name| {
            Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(name)?.map(Time::from_millis))
        };
        let json = |name| {
            let text: Option<String> = row.get(name)?;
            text.map(|text| raw(0, text)).transpose()
        };
        let path: String = row.get("path")?;
        let kind = word(row, "kind", NodeKind::from_word)?;
        let extension = (kind == NodeKind::File)
            .then(|| journal::extension(&path).map(Cow::into_owned))
            .flatten();
        let file_type = row.get_ref("file_type")?.as_str_or_null()?;
        Ok(Some(Self {
            backend_mount_id: row.get("backend_mount_id")?,
            path,
            kind,
            file_type: file_type.and_then(FileType::from_word),
            uid: row.get("uid")?,
            gid: row.get("gid")?,
            user: row.get("user_name")?,
            group: row.get("group_name")?,
            mode: row.get("mode")?,
            links: row.get("links")?,
            allocated_bytes: row.get("allocated_bytes")?,
            changed_at: time("changed_at")?,
            extension,
            storage_class: row.get("storage_class")?,
            attributes: json("attributes")?,
            accessed_at: time("accessed_at")?,
            link_target: row.get("link_target")?,
            object_tags: json("object_tags")?,
            state: word(row, "state", NodeState::from_word)?,
            parent_id: row.get("parent_id")?,
            version: row.get("node_version")?,
            size_bytes: row.get("size_bytes")?,
            checksum: row.get("checksum")?,
            content_hash: row.get("content_hash")?,
            node_metadata: raw(0, row.get("node_metadata")?)?,
            observed_at: Time::from_millis(row.get("observed_at")?),
            last_modified_at: time("last_modified_at")?,
            journal_id: JournalId::from_i64(row.get("journal_id")?),
            command: row.get("command")?,
            principal: row.get("principal")?,
            consistency_state: word(row, "consistency_state", ConsistencyState::from_word)?,
            consistency_checked_at: time("consistency_checked_at")?,
            last_reconciled_at: time("last_reconciled_at")?,
            reconciliation_reason: row.get("reconciliation_reason")?,
            previous_state: row.get("previous_state")?,
            previous_path: row.get("previous_path")?,
            quarantine_reason: row.get("quarantine_reason")?,
            deleted_at: time("node_deleted_at")?,
        }))
    }
}

/// A row of `nodes_live.sql`, as the three books are compared by.
pub(crate) fn snapshot_node(row: &Row<'_>) -> rusqlite::Result<SnapshotNode> {
    let metadata = serde_json::from_str(row.get_ref(11)?.as_str()?).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(11, Type::Text, Box::new(error))
    })?;
    let json = |index| -> rusqlite::Result<Option<serde_json::Value>> {
        let text = row.get_ref(index)?.as_str_or_null()?;
        let value = text.map(serde_json::from_str).transpose();
        value.map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(error))
        })
    };
    Ok(SnapshotNode {
        node_id: row.get(0)?,
        backend_mount_id: row.get(1)?,
        path: row.get(2)?,
        kind: word(row, 3, NodeKind::from_word)?,
        state: word(row, 4, NodeState::from_word)?,
        parent_id: row.get(5)?,
        version: row.get(6)?,
        size_bytes: row.get(7)?,
        journal_id: JournalId::from_i64(row.get(8)?),
        checksum: row.get(9)?,
        content_hash: row.get(10)?,
        metadata: Some(metadata),
        consistency_state: Some(word(row, 12, ConsistencyState::from_word)?),
        last_modified_at: row.get::<_, Option<i64>>(13)?.map(Time::from_millis),
        observed_at: Some(Time::from_millis(row.get(14)?)),
        attributes: json(24)?,
        inode: SnapshotInode {
            file_type: row
                .get_ref(15)?
                .as_str_or_null()?
                .and_then(FileType::from_word),
            uid: row.get(16)?,
            gid: row.get(17)?,
            user: row.get(18)?,
            group: row.get(19)?,
            mode: row.get(20)?,
            links: row.get(21)?,
            allocated_bytes: row.get(22)?,
            changed_at: row.get::<_, Option<i64>>(23)?.map(Time::from_millis),
            storage_class: row.get(25)?,
            accessed_at: row.get::<_, Option<i64>>(26)?.map(Time::from_millis),
            link_target: row.get(27)?,
        },
        object_tags: json(28)?,
    })
}

/// A column that holds one of a closed list of words.
pub(crate) fn word<I, T>(row: &Row<'_>, index: I, of: fn(&str) -> Option<T>) -> rusqlite::Result<T>
where
    I: rusqlite::RowIndex,
{
    let word = row.get_ref(index)?.as_str()?;
    of(word).ok_or_else(|| {
        let unknown = format!("{word:?} is not a word of the catalogue");
        rusqlite::Error::FromSqlConversionFailure(0, Type::Text, unknown.into())
    })
}

/// A column that holds JSON.
pub(crate) fn raw(index: usize, text: String) -> rusqlite::Result<Box<RawValue>> {
    RawValue::from_string(text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(error))
    })
}
