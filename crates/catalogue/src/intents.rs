//! File operations that have begun and are not committed yet.
//!
//! What they are is text of whoever runs commands. Which paths they change is told besides, so that
//! a scan can ask for it in each of its transactions.

use super::{ReadTx, StoreError, WriteTx};
use rusqlite::params;

/// A mount and a path in it, which a command changes with all below.
pub type Place<'p> = (i64, &'p str);

/// Writes down what is about to be done; gives the intent's id.
///
/// # Errors
/// The catalogue cannot be read or written.
pub fn insert(tx: &WriteTx<'_>, command: &str, places: &[Place<'_>]) -> Result<i64, StoreError> {
    const SQL: &str = "INSERT INTO intents (command, created_at) VALUES (?1, ?2)";
    let id = tx
        .prepare_cached(SQL)?
        .insert(params![command, tx.now().as_millis()])?;
    add_places(tx, id, places)?;
    Ok(id)
}

/// What remains to be done is something else now.
///
/// # Errors
/// The catalogue cannot be read or written.
pub fn replace(
    tx: &WriteTx<'_>,
    id: i64,
    command: &str,
    places: &[Place<'_>],
) -> Result<(), StoreError> {
    tx.prepare_cached("UPDATE intents SET command = ?2 WHERE id = ?1")?
        .execute(params![id, command])?;
    remove_places(tx, id)?;
    add_places(tx, id, places)
}

/// It is done, or will not be.
///
/// # Errors
/// The catalogue cannot be read or written.
pub fn remove(tx: &WriteTx<'_>, id: i64) -> Result<(), StoreError> {
    tx.prepare_cached("DELETE FROM intents WHERE id = ?1")?
        .execute([id])?;
    remove_places(tx, id)
}

/// What an earlier run left, in the order in which it began.
///
/// # Errors
/// The catalogue cannot be read or written.
pub fn all(tx: &ReadTx<'_>) -> Result<Vec<(i64, String)>, StoreError> {
    let mut statement = tx.prepare_cached("SELECT id, command FROM intents ORDER BY id")?;
    let intents = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(intents.collect::<Result<_, _>>()?)
}

/// The paths in a mount that commands have begun to change and not committed yet.
///
/// # Errors
/// The catalogue cannot be read or written.
pub fn paths(tx: &ReadTx<'_>, mount_id: i64) -> Result<Vec<String>, StoreError> {
    let mut statement = tx.prepare_cached("SELECT path FROM intent_paths WHERE mount_id = ?1")?;
    let paths = statement.query_map([mount_id], |row| row.get(0))?;
    Ok(paths.collect::<Result<_, _>>()?)
}

fn add_places(tx: &WriteTx<'_>, id: i64, places: &[Place<'_>]) -> Result<(), StoreError> {
    const SQL: &str = "INSERT OR IGNORE INTO intent_paths (mount_id, path, intent_id)
        VALUES (?1, ?2, ?3)";
    let mut insert = tx.prepare_cached(SQL)?;
    for (mount_id, path) in places {
        insert.execute(params![mount_id, path, id])?;
    }
    Ok(())
}

fn remove_places(tx: &WriteTx<'_>, id: i64) -> Result<(), StoreError> {
    tx.prepare_cached("DELETE FROM intent_paths WHERE intent_id = ?1")?
        .execute([id])?;
    Ok(())
}
