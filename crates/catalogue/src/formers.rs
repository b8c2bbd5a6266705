//! Which files nodes were before other files at their paths took them over.
//!
//! A new file at a node's path takes the node, since that is how programs save: they write a new
//! file and rename it over the old one. But the old file may not be gone. It may have moved to a
//! place that has not been looked at yet, and then the node is its. So the node's old identity is
//! noted in the transaction in which it is taken over; a scan that finds that file elsewhere gives
//! the node back (`scan::former`). Noted are identities with a birth time only: they are never
//! another file's.

use super::moment::Column;
use super::{ReadTx, StoreError};
use journal::Time;
use node::{Facts, Identity};
use rusqlite::{Connection, OptionalExtension, params};

/// The latest notes that are kept, of all mounts: some ten megabytes at most.
const KEPT: i64 = 100_000;

/// A node, and which file it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Former {
    /// The note's id: notes of one node ascend with time.
    pub id: i64,
    /// The node.
    pub node: i64,
    /// The file that it was.
    pub identity: Identity,
}

/// Whether there is a note about a node of this mount.
///
/// # Errors
/// The catalogue cannot be read or written.
pub fn any(tx: &ReadTx<'_>, mount_id: i64) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT 1 FROM former_identities WHERE mount_id = ?1 LIMIT 1";
    Ok(tx.prepare_cached(SQL)?.exists([mount_id])?)
}

/// The first node that was this file, if no node is it now.
///
/// # Errors
/// The catalogue cannot be read or written.
pub fn of(tx: &ReadTx<'_>, mount_id: i64, facts: &Facts) -> Result<Option<Former>, StoreError> {
    let identity = facts.identity;
    if !identity.is_certain() {
        return Ok(None);
    }
    let Identity { dev, ino, born_ns } = identity;
    let mut statement = tx.prepare_cached(include_str!("sql/former.sql"))?;
    let params = params![mount_id, ino, dev, born_ns.map(Column), facts.kind.as_str()];
    let former = statement.query_row(params, |row| {
        Ok(Former {
            id: row.get(0)?,
            node: row.get(1)?,
            identity,
        })
    });
    Ok(former.optional()?)
}

/// When the oldest note about a node of this mount was made.
///
/// # Errors
/// The catalogue cannot be read or written.
pub fn oldest(tx: &ReadTx<'_>, mount_id: i64) -> Result<Option<Time>, StoreError> {
    const SQL: &str = "SELECT min(replaced_at) FROM former_identities WHERE mount_id = ?1";
    let oldest: Option<i64> = tx
        .prepare_cached(SQL)?
        .query_row([mount_id], |row| row.get(0))?;
    Ok(oldest.map(Time::from_millis))
}

pub(super) fn note(
    connection: &Connection,
    (mount_id, node): (i64, i64),
    identity: Identity,
    now: Time,
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO former_identities
        (node_id, mount_id, dev, ino, born_ns, replaced_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let Identity { dev, ino, born_ns } = identity;
    let id = connection.prepare_cached(SQL)?.insert(params![
        node,
        mount_id,
        dev,
        ino,
        born_ns.map(Column),
        now.as_millis()
    ])?;
    connection
        .prepare_cached("DELETE FROM former_identities WHERE id <= ?1")?
        .execute([id - KEPT])?;
    Ok(())
}

/// The node is that file again: what it was after that, it was by mistake.
pub(super) fn forget_from(connection: &Connection, former: &Former) -> Result<(), StoreError> {
    connection
        .prepare_cached("DELETE FROM former_identities WHERE node_id = ?1 AND id >= ?2")?
        .execute((former.node, former.id))?;
    Ok(())
}

pub(super) fn forget_before(
    connection: &Connection,
    mount_id: i64,
    before: Time,
) -> Result<(), StoreError> {
    connection
        .prepare_cached("DELETE FROM former_identities WHERE mount_id = ?1 AND replaced_at < ?2")?
        .execute((mount_id, before.as_millis()))?;
    Ok(())
}
