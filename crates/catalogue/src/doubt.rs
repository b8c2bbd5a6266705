//! Files whose digests are in doubt: something about them changed, and their size and modification
//! time did not. Until their contents have been read again nobody is told their digests.
//!
//! It is the catalogue's own note. The journal hears of it only if the contents are other ones.

use super::nodes::{self, Node};
use super::{ReadTx, StoreError};
use journal::Time;
use rusqlite::Connection;

/// The nodes in doubt with ids above `after`, by id, and how far the notes were gone through. Notes
/// of nodes that have no digest any more are among the ids, and not among the nodes.
///
/// # Errors
/// The catalogue cannot be read or written.
pub fn page(
    tx: &ReadTx<'_>,
    after: i64,
    limit: usize,
) -> Result<Vec<(i64, Option<Node>)>, StoreError> {
    const SQL: &str =
        "SELECT node_id FROM doubted_hashes WHERE node_id > ?1 ORDER BY node_id LIMIT ?2";
    let mut statement = tx.prepare_cached(SQL)?;
    let ids = statement.query_map((after, limit.cast_signed()), |row| row.get::<_, i64>(0))?;
    let node = |id: i64| {
        let node = nodes::by_id(tx, id)?.filter(|node| node.is_in_doubt);
        Ok((id, node))
    };
    ids.map(|id| node(id?)).collect()
}

pub(super) fn insert(connection: &Connection, node: i64, now: Time) -> Result<(), StoreError> {
    const SQL: &str = "INSERT OR REPLACE INTO doubted_hashes (node_id, doubted_at) VALUES (?1, ?2)";
    connection
        .prepare_cached(SQL)?
        .execute((node, now.as_millis()))?;
    Ok(())
}

pub(super) fn remove(connection: &Connection, node: i64) -> Result<(), StoreError> {
    connection
        .prepare_cached("DELETE FROM doubted_hashes WHERE node_id = ?1")?
        .execute([node])?;
    Ok(())
}
