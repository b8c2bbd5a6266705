//! A hash over what the sync wrote.

use crate::node::snapshot_node;
use rusqlite::Connection;

/// The hash over all live nodes and their records' namespaces.
///
/// When the facts were observed and when node and disk were last compared are left out: a book
/// that began with a snapshot does not know them as exactly as one that followed every entry.
pub(crate) fn content(connection: &Connection) -> rusqlite::Result<String> {
    let mut statement = connection.prepare(include_str!("sql/digest_nodes.sql"))?;
    let mut rows = statement.query([0])?;
    let mut hasher = blake3::Hasher::new();
    while let Some(row) = rows.next()? {
        let mut node = snapshot_node(row)?;
        node.observed_at = None;
        node.consistency_state = None;
        let line = serde_json::to_vec(&node)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        hasher.update(&line);
        let namespace: Option<String> = row.get("namespace")?;
        hasher.update(namespace.unwrap_or_default().as_bytes());
        hasher.update(b"\n");
    }
    Ok(hasher.finalize().to_hex().to_string())
}
