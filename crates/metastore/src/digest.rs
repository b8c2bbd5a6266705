//! A hash over what the sync wrote.

use crate::node::snapshot_node;
use journal::{Digest, Epoch, JournalId, SnapshotInode};
use rusqlite::Connection;

/// The hash over all live nodes and their records' namespaces.
///
/// When the facts were observed and when node and disk were last compared are left out: a book
/// that began with a snapshot does not know them as exactly as one that followed every entry. Names of
/// users, numbers of links and change times are left out too: they change without an entry.
pub(crate) fn content(connection: &Connection) -> rusqlite::Result<String> {
    let mut statement = connection.prepare(include_str!("sql/digest_nodes.sql"))?;
    let mut rows = statement.query([0])?;
    let mut hasher = blake3::Hasher::new();
    while let Some(row) = rows.next()? {
        let mut node = snapshot_node(row)?;
        node.observed_at = None;
        node.consistency_state = None;
        node.inode = SnapshotInode {
            uid: node.inode.uid,
            gid: node.inode.gid,
            mode: node.inode.mode,
            allocated_bytes: node.inode.allocated_bytes,
            accessed_at: node.inode.accessed_at,
            link_target: node.inode.link_target.take(),
            ..SnapshotInode::default()
        };
        let line = serde_json::to_vec(&node)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        hasher.update(&line);
        let namespace: Option<String> = row.get("namespace")?;
        hasher.update(namespace.unwrap_or_default().as_bytes());
        hasher.update(b"\n");
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// What a digest of the whole book says.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = BookDigest)]
pub struct BookDigest {
    /// The entry that the book is the state at.
    #[schema(value_type = u64)]
    pub journal_id: JournalId,
    /// The journal it follows.
    #[schema(value_type = Option<String>)]
    pub epoch: Option<Epoch>,
    /// The journal's chained digest at that entry.
    #[schema(value_type = Option<String>)]
    pub digest: Option<Digest>,
    /// A hash over what the sync wrote of all live nodes: the same nodes in the same namespaces,
    /// the same hash, however the book came to hold them.
    pub content: String,
    /// How many nodes that are.
    pub nodes: u64,
    /// A hash over what people wrote: a rebuild leaves it as it is.
    pub people: String,
    /// In how many records somebody wrote something.
    pub records: u64,
}

/// The digest of one state of the book.
pub(crate) fn of(connection: &Connection) -> rusqlite::Result<BookDigest> {
    let transaction = connection.unchecked_transaction()?;
    let checkpoint = crate::sink::load_checkpoint(&transaction)?;
    let nodes: i64 = transaction.query_row(
        "SELECT count(*) FROM filestore_nodes WHERE state <> 'deleted'",
        [],
        |row| row.get(0),
    )?;
    let (people, records) = people(&transaction)?;
    Ok(BookDigest {
        journal_id: checkpoint.map_or(JournalId::ZERO, |checkpoint| checkpoint.journal_id),
        epoch: checkpoint.map(|checkpoint| checkpoint.epoch),
        digest: checkpoint.map(|checkpoint| checkpoint.digest),
        content: content(&transaction)?,
        nodes: nodes.unsigned_abs(),
        people,
        records,
    })
}

/// The hash over what people wrote, and in how many records they did.
fn people(connection: &Connection) -> rusqlite::Result<(String, u64)> {
    let mut statement = connection.prepare(include_str!("sql/digest_people.sql"))?;
    let mut rows = statement.query([])?;
    let mut hasher = blake3::Hasher::new();
    let mut count = 0;
    while let Some(row) = rows.next()? {
        let line: String = row.get(0)?;
        hasher.update(line.as_bytes());
        hasher.update(b"\n");
        count += 1;
    }
    Ok((hasher.finalize().to_hex().to_string(), count))
}
