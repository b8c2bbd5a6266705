//! Nodes that have been missing for long.

use super::nodes::{self, Node};
use super::{ReadTx, StoreError};
use journal::Time;
use rusqlite::params;

/// Nodes of a mount that went missing before then and have nothing below them that is not deleted,
/// after `after` in descending order of paths: what is below a directory comes before it.
///
/// # Errors
/// The catalogue cannot be read or written.
pub fn since(
    tx: &ReadTx<'_>,
    mount_id: i64,
    before: Time,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Node>, StoreError> {
    let mut statement = tx.prepare_cached(include_str!("sql/long_missing.sql"))?;
    let params = params![mount_id, before.as_millis(), after, limit.cast_signed()];
    let ids = statement.query_map(params, |row| row.get::<_, i64>(0))?;
    let ids = ids.collect::<Result<Vec<_>, _>>()?;
    let nodes = ids.into_iter().map(|id| nodes::by_id(tx, id));
    let nodes = nodes.collect::<Result<Vec<_>, _>>()?;
    Ok(nodes.into_iter().flatten().collect())
}
