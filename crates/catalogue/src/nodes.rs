//! The node's row, and the ways to find one.

use super::column::{conversion, word};
use super::inode::{inode, object};
use super::moment::{Column, moment};
use super::{ReadTx, StoreError};
use journal::{ConsistencyState, JournalId, NodeKind, NodeState, Time};
use node::{Facts, Identity, LongFact};
use rusqlite::{CachedStatement, OptionalExtension, Params, Row, params};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::sync::LazyLock;

/// A node, whole, as its row has it.
#[derive(Clone, Debug)]
pub struct Node {
    /// 0 for a node that is not inserted yet and has no id allocated.
    pub id: i64,
    /// Its mount.
    pub mount_id: i64,
    /// `None` for a mount's root.
    pub parent_id: Option<i64>,
    /// Relative to the mount, `""` for its root. The name is its last part.
    pub path: String,
    /// What the backend last said of it.
    pub facts: Facts,
    /// The checksum that an upload promised.
    pub checksum: Option<String>,
    /// The hash of its contents, where it is known.
    pub content_hash: Option<String>,
    /// Its digests may be of other contents than it has: they are looked at again.
    pub is_in_doubt: bool,
    /// What people wrote on it.
    pub metadata: Metadata,
    /// The access control lists and extended attributes that `facts` have the number of.
    pub attributes: Option<Box<RawValue>>,
    /// What it points to, if it is a symlink, by the number that `facts` have.
    pub link_target: Option<String>,
    /// The tags of an object that `facts` have the number of.
    pub object_tags: Option<Box<RawValue>>,
    /// What is the matter with it.
    pub state: NodeState,
    /// How often it has changed.
    pub version: i64,
    /// When a scan or a command last saw it on disk.
    pub last_seen_at: Option<Time>,
    /// How it compares with the disk.
    pub consistency_state: ConsistencyState,
    /// When it was last compared.
    pub consistency_checked_at: Option<Time>,
    /// When it was last set right.
    pub last_reconciled_at: Option<Time>,
    /// When it was last found to differ.
    pub last_drift_detected_at: Option<Time>,
    /// When it came into the catalogue.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
    /// When it was deleted.
    pub deleted_at: Option<Time>,
    /// Its last entry.
    pub journal_id: JournalId,
}

impl Node {
    /// An active node that is not in the store yet.
    pub fn new(mount_id: i64, parent_id: Option<i64>, path: String, facts: Facts) -> Self {
        Self {
            id: 0,
            mount_id,
            parent_id,
            path,
            facts,
            checksum: None,
            content_hash: None,
            is_in_doubt: false,
            metadata: Metadata::default(),
            attributes: None,
            link_target: None,
            object_tags: None,
            state: NodeState::Active,
            version: 0,
            last_seen_at: None,
            consistency_state: ConsistencyState::Active,
            consistency_checked_at: None,
            last_reconciled_at: None,
            last_drift_detected_at: None,
            created_at: Time::default(),
            updated_at: Time::default(),
            deleted_at: None,
            journal_id: JournalId::ZERO,
        }
    }

    /// The last part of the path; empty for a mount's root.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// How many names the path has.
    pub fn depth(&self) -> i64 {
        if self.path.is_empty() {
            return 0;
        }
        let slashes = self.path.bytes().filter(|byte| *byte == b'/').count();
        i64::try_from(slashes).unwrap_or(i64::MAX).saturating_add(1)
    }

    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        self.facts.is_directory()
    }

    /// Whether the node holds its path: neither deleted nor missing.
    pub const fn is_on_disk(&self) -> bool {
        super::rollups::is_on_disk(self.state)
    }

    /// The hash of its contents, unless that is in doubt.
    #[must_use]
    pub fn hash_in_force(&self) -> Option<String> {
        self.content_hash.clone().filter(|_| !self.is_in_doubt)
    }

    /// The checksum that was promised of its contents, unless that is in doubt.
    #[must_use]
    pub fn checksum_in_force(&self) -> Option<String> {
        self.checksum.clone().filter(|_| !self.is_in_doubt)
    }

    /// When its contents last changed.
    pub fn last_modified_at(&self) -> Option<Time> {
        let modified = self.facts.modified_ns?;
        Some(Time::from_millis(modified.as_millis()))
    }

    /// When what the disk says of it last changed (ctime).
    #[must_use]
    pub fn last_changed_at(&self) -> Option<Time> {
        let changed = self.facts.changed_ns?;
        Some(Time::from_millis(changed.as_millis()))
    }

    /// When it was last read, as far as that was told.
    #[must_use]
    pub fn last_accessed_at(&self) -> Option<Time> {
        let inode = self.facts.inode?;
        inode.accessed_ms.map(Time::from_millis)
    }

    /// The text of a fact.
    #[must_use]
    pub fn text(&self, fact: LongFact) -> Option<&str> {
        match fact {
            LongFact::Attributes => self.attributes.as_deref().map(RawValue::get),
            LongFact::LinkTarget => self.link_target.as_deref(),
            LongFact::ObjectTags => self.object_tags.as_deref().map(RawValue::get),
        }
    }

    /// Takes the text of a fact.
    ///
    /// # Errors
    /// It is to be JSON and is not.
    pub fn set_text(&mut self, fact: LongFact, text: Option<String>) -> serde_json::Result<()> {
        match fact {
            LongFact::Attributes => {
                self.attributes = text.map(RawValue::from_string).transpose()?
            }
            LongFact::LinkTarget => self.link_target = text,
            LongFact::ObjectTags => {
                self.object_tags = text.map(RawValue::from_string).transpose()?
            }
        }
        Ok(())
    }

    /// The extension of a file's name.
    #[must_use]
    pub fn extension(&self) -> Option<Cow<'_, str>> {
        let name = (!self.is_directory()).then(|| self.name())?;
        journal::extension(name)
    }

    /// The node of a row that `node_columns.sql` selected.
    pub(crate) fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let time = |index| {
            row.get(index)
                .map(|ms: Option<i64>| ms.map(Time::from_millis))
        };
        Ok(Self {
            id: row.get(0)?,
            mount_id: row.get(1)?,
            parent_id: row.get(2)?,
            path: row.get(3)?,
            facts: Facts {
                kind: word(row, 4, NodeKind::from_word)?,
                is_symlink: row.get(5)?,
                size_bytes: row.get(6)?,
                modified_ns: moment(row, 7)?,
                changed_ns: moment(row, 25)?,
                identity: Identity {
                    dev: row.get(8)?,
                    ino: row.get(9)?,
                    born_ns: moment(row, 10)?,
                },
                inode: inode(row, 26)?,
                object: object(row, 34)?,
            },
            checksum: row.get(11)?,
            content_hash: row.get(12)?,
            is_in_doubt: row.get(37)?,
            metadata: Metadata::from_column(row.get(13)?)
                .map_err(|error| conversion(13, Box::new(error)))?,
            attributes: raw(row, 38)?,
            link_target: row.get(39)?,
            object_tags: raw(row, 40)?,
            state: word(row, 14, NodeState::from_word)?,
            version: row.get(15)?,
            last_seen_at: time(16)?,
            consistency_state: word(row, 17, ConsistencyState::from_word)?,
            consistency_checked_at: time(18)?,
            last_reconciled_at: time(19)?,
            last_drift_detected_at: time(20)?,
            created_at: time(21)?.unwrap_or_default(),
            updated_at: time(22)?.unwrap_or_default(),
            deleted_at: time(23)?,
            journal_id: JournalId::from_i64(row.get(24)?),
        })
    }
}

/// A column of JSON.
fn raw(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<Box<RawValue>>> {
    let text: Option<String> = row.get(index)?;
    text.map(RawValue::from_string)
        .transpose()
        .map_err(|error| conversion(index, Box::new(error)))
}

/// What people wrote on a node: a JSON object, kept as text. Most nodes have none.
#[derive(Clone, Debug, Default)]
pub struct Metadata(Option<Box<RawValue>>);

static EMPTY_OBJECT: LazyLock<Box<RawValue>> =
    LazyLock::new(|| serde_json::value::to_raw_value(&serde_json::Map::new()).unwrap_or_default());

impl Metadata {
    /// The metadata of this object.
    ///
    /// # Errors
    /// The catalogue cannot be read or written.
    pub fn from_object(
        object: &serde_json::Map<String, serde_json::Value>,
    ) -> serde_json::Result<Self> {
        if object.is_empty() {
            return Ok(Self(None));
        }
        serde_json::value::to_raw_value(object).map(|raw| Self(Some(raw)))
    }

    /// The object again.
    ///
    /// # Errors
    /// The catalogue cannot be read or written.
    pub fn to_object(&self) -> serde_json::Result<serde_json::Map<String, serde_json::Value>> {
        serde_json::from_str(self.as_raw().get())
    }

    /// The JSON text.
    pub fn as_raw(&self) -> &RawValue {
        self.0.as_deref().unwrap_or(&EMPTY_OBJECT)
    }

    fn from_column(text: Option<String>) -> serde_json::Result<Self> {
        text.map(RawValue::from_string).transpose().map(Self)
    }

    pub(super) fn column(&self) -> Option<&str> {
        self.0.as_deref().map(RawValue::get)
    }
}

macro_rules! select_nodes {
    ($rest:literal) => {
        concat!(include_str!("sql/node_columns.sql"), $rest)
    };
}

/// The node of this id, whatever its state.
///
/// # Errors
/// The catalogue cannot be read or written.
pub fn by_id(tx: &ReadTx<'_>, id: i64) -> Result<Option<Node>, StoreError> {
    one(tx.prepare_cached(select_nodes!("WHERE n.id = ?1"))?, [id])
}

/// The node that holds this path: active or inconsistent.
///
/// # Errors
/// The catalogue cannot be read or written.
pub fn at(tx: &ReadTx<'_>, mount_id: i64, path: &str) -> Result<Option<Node>, StoreError> {
    const SQL: &str = select_nodes!(
        "WHERE n.mount_id = ?1 AND n.path = ?2 AND n.vacated = 0 AND n.state <> 'deleted'"
    );
    one(tx.prepare_cached(SQL)?, params![mount_id, path])
}

pub(super) const MISSING_AT: &str = select_nodes!(
    "INDEXED BY nodes_by_path
     WHERE n.mount_id = ?1 AND n.path = ?2 AND n.vacated > 0 AND n.state <> 'deleted'
        AND n.kind = ?3
     ORDER BY n.last_journal_id DESC LIMIT 1"
);

/// The node of this kind that went missing at this path, the latest of them if there are several:
/// what appears there again is that node.
///
/// # Errors
/// The catalogue cannot be read or written.
pub fn missing_at(
    tx: &ReadTx<'_>,
    mount_id: i64,
    path: &str,
    kind: NodeKind,
) -> Result<Option<Node>, StoreError> {
    one(
        tx.prepare_cached(MISSING_AT)?,
        params![mount_id, path, kind.as_str()],
    )
}

/// The last node that was deleted at this path.
///
/// # Errors
/// The catalogue cannot be read.
pub fn deleted_at(tx: &ReadTx<'_>, mount_id: i64, path: &str) -> Result<Option<Node>, StoreError> {
    const SQL: &str = select_nodes!(
        "INDEXED BY nodes_deleted
         WHERE n.mount_id = ?1 AND n.path = ?2 AND n.state = 'deleted'
         ORDER BY n.last_journal_id DESC LIMIT 1"
    );
    one(tx.prepare_cached(SQL)?, params![mount_id, path])
}

/// Nodes with this parent that are not deleted, by name and then id, after `after`.
///
/// # Errors
/// The catalogue cannot be read or written.
pub fn children(
    tx: &ReadTx<'_>,
    parent_id: i64,
    after: Option<&(String, i64)>,
    limit: usize,
) -> Result<Vec<Node>, StoreError> {
    const SQL: &str = select_nodes!(
        "WHERE n.parent_id = ?1 AND (n.name, n.id) > (?2, ?3) AND n.state <> 'deleted'
         ORDER BY n.name, n.id LIMIT ?4"
    );
    let mut statement = tx.prepare_cached(SQL)?;
    let (name, id) = after.map_or(("", 0), |(name, id)| (name.as_str(), *id));
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let nodes = statement.query_map(params![parent_id, name, id, limit], Node::from_row)?;
    Ok(nodes.collect::<Result<_, _>>()?)
}

/// The directories on disk that have this identity: several where one is seen at several places.
///
/// # Errors
/// The catalogue cannot be read or written.
pub fn directories_of(
    tx: &ReadTx<'_>,
    mount_id: i64,
    identity: Identity,
) -> Result<Vec<Node>, StoreError> {
    const SQL: &str = select_nodes!(
        "WHERE n.mount_id = ?1 AND n.ino = ?2 AND n.ino <> 0 AND n.state <> 'deleted'
            AND n.dev = ?3 AND n.born_ns IS ?4 AND n.kind = 'directory'
            AND n.state IN ('active', 'inconsistent')"
    );
    let Identity { dev, ino, born_ns } = identity;
    let mut statement = tx.prepare_cached(SQL)?;
    let nodes = statement.query_map(
        params![mount_id, ino, dev, born_ns.map(Column)],
        Node::from_row,
    )?;
    Ok(nodes.collect::<Result<_, _>>()?)
}

/// Whether a node that is not deleted is in this directory.
///
/// # Errors
/// The catalogue cannot be read or written.
pub fn has_children(tx: &ReadTx<'_>, directory: i64) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT 1 FROM nodes WHERE parent_id = ?1 AND state <> 'deleted' LIMIT 1";
    Ok(tx.prepare_cached(SQL)?.exists([directory])?)
}

/// Whether any node, of whichever mount and state, is or was the directory of this identity.
///
/// # Errors
/// The catalogue cannot be read or written.
pub fn is_or_was_directory(tx: &ReadTx<'_>, identity: Identity) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT EXISTS (
            SELECT 1 FROM nodes INDEXED BY nodes_by_identity
            WHERE mount_id IN (SELECT id FROM mounts) AND ino = ?1 AND ino <> 0
                AND state <> 'deleted' AND born_ns IS ?2 AND kind = 'directory'
        ) OR EXISTS (
            SELECT 1 FROM nodes INDEXED BY nodes_deleted_directories
            WHERE mount_id IN (SELECT id FROM mounts) AND ino = ?1
                AND state = 'deleted' AND born_ns IS ?2 AND kind = 'directory'
        )";
    let mut statement = tx.prepare_cached(SQL)?;
    let params = params![identity.ino, identity.born_ns.map(Column)];
    Ok(statement.query_row(params, |row| row.get(0))?)
}

/// Nodes on disk, above the id `after`, that are not where their parents are: by id.
///
/// # Errors
/// The catalogue cannot be read or written.
pub fn misplaced(
    tx: &ReadTx<'_>,
    mount_id: i64,
    after: i64,
    limit: usize,
) -> Result<Vec<i64>, StoreError> {
    let mut statement = tx.prepare_cached(include_str!("sql/misplaced.sql"))?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let ids = statement.query_map((mount_id, after, limit), |row| row.get(0))?;
    Ok(ids.collect::<Result<_, _>>()?)
}

/// Whether a scan of this mount began to write and did not end.
///
/// # Errors
/// The catalogue cannot be read or written.
pub fn has_unfinished_scan(tx: &ReadTx<'_>, mount_id: i64) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT 1 FROM unfinished_scans WHERE mount_id = ?1";
    Ok(tx.prepare_cached(SQL)?.exists([mount_id])?)
}

/// The other names on disk of the file with this identity: hard links, by id after `after`.
///
/// # Errors
/// The catalogue cannot be read or written.
pub fn other_names(
    tx: &ReadTx<'_>,
    (mount_id, id): (i64, i64),
    identity: Identity,
    after: i64,
    limit: usize,
) -> Result<Vec<Node>, StoreError> {
    const SQL: &str = select_nodes!(
        "WHERE n.mount_id = ?1 AND n.ino = ?2 AND n.ino <> 0 AND n.state <> 'deleted'
            AND n.dev = ?3 AND n.born_ns IS ?4 AND n.kind = 'file'
            AND n.state IN ('active', 'inconsistent') AND n.id <> ?5 AND n.id > ?6
         ORDER BY n.id LIMIT ?7"
    );
    let Identity { dev, ino, born_ns } = identity;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let params = params![mount_id, ino, dev, born_ns.map(Column), id, after, limit];
    let mut statement = tx.prepare_cached(SQL)?;
    let nodes = statement.query_map(params, Node::from_row)?;
    Ok(nodes.collect::<Result<_, _>>()?)
}

/// Regular files below a directory that are on disk and have no content hash, by path, after
/// `after`.
///
/// # Errors
/// The catalogue cannot be read or written.
pub fn unhashed(
    tx: &ReadTx<'_>,
    mount_id: i64,
    (directory, after): (&str, &str),
    limit: usize,
) -> Result<Vec<Node>, StoreError> {
    const SQL: &str = concat!(
        include_str!("sql/node_columns.sql"),
        include_str!("sql/unhashed.sql")
    );
    let mut statement = tx.prepare_cached(SQL)?;
    let params = params![mount_id, directory, after, limit.cast_signed()];
    let nodes = statement.query_map(params, Node::from_row)?;
    Ok(nodes.collect::<Result<_, _>>()?)
}

/// All nodes of a mount that are not deleted, by path, after `after`; without its root.
///
/// # Errors
/// The catalogue cannot be read or written.
pub fn by_path(
    tx: &ReadTx<'_>,
    mount_id: i64,
    after: &str,
    limit: usize,
) -> Result<Vec<Node>, StoreError> {
    const SQL: &str = select_nodes!(
        "INDEXED BY nodes_by_path
         WHERE n.mount_id = ?1 AND n.path > ?2 AND n.state <> 'deleted'
         ORDER BY n.path LIMIT ?3"
    );
    let mut statement = tx.prepare_cached(SQL)?;
    let params = params![mount_id, after, limit.cast_signed()];
    let nodes = statement.query_map(params, Node::from_row)?;
    Ok(nodes.collect::<Result<_, _>>()?)
}

/// Tells the nodes on disk that have this parent: their ids, names and paths, one after the other.
///
/// # Errors
/// A statement fails, or the one who is told does.
pub fn each_live_child<E: From<StoreError>>(
    tx: &ReadTx<'_>,
    parent_id: i64,
    mut tell: impl FnMut(i64, &str, &str) -> Result<(), E>,
) -> Result<(), E> {
    let failed = |error: rusqlite::Error| E::from(StoreError::from(error));
    let sql = include_str!("sql/live_children.sql");
    let mut statement = tx.prepare_cached(sql).map_err(failed)?;
    let mut rows = statement.query([parent_id]).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        let id = row.get(0).map_err(failed)?;
        let text = |index| Ok(row.get_ref(index)?.as_str()?);
        let (name, path) = (text(1).map_err(failed)?, text(2).map_err(failed)?);
        tell(id, name, path)?;
    }
    Ok(())
}

/// A mount's root.
///
/// # Errors
/// The catalogue cannot be read or written.
pub fn root(tx: &ReadTx<'_>, mount_id: i64) -> Result<Node, StoreError> {
    let root = match at(tx, mount_id, "")? {
        Some(root) => Some(root),
        None => missing_at(tx, mount_id, "", NodeKind::Directory)?,
    };
    root.ok_or_else(|| StoreError::Damaged(format!("mount {mount_id} has no root node")))
}

fn one(
    mut statement: CachedStatement<'_>,
    params: impl Params,
) -> Result<Option<Node>, StoreError> {
    Ok(statement.query_row(params, Node::from_row).optional()?)
}
