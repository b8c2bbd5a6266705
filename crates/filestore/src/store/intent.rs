//! File operations that have begun and are not committed yet (see [`crate::command`]).

use super::{StoreError, WriteTx};
use rusqlite::{Connection, params};

/// Writes down what is about to be done; gives the intent's id.
pub(crate) fn insert(tx: &WriteTx<'_>, command: &str) -> Result<i64, StoreError> {
    const SQL: &str = "INSERT INTO intents (command, created_at) VALUES (?1, ?2)";
    let connection = tx.connection();
    connection
        .prepare_cached(SQL)?
        .execute(params![command, tx.now().as_millis()])?;
    Ok(connection.last_insert_rowid())
}

/// What remains to be done is something else now.
pub(crate) fn replace(tx: &WriteTx<'_>, id: i64, command: &str) -> Result<(), StoreError> {
    tx.connection()
        .prepare_cached("UPDATE intents SET command = ?2 WHERE id = ?1")?
        .execute(params![id, command])?;
    Ok(())
}

/// It is done, or will not be.
pub(crate) fn remove(tx: &WriteTx<'_>, id: i64) -> Result<(), StoreError> {
    tx.connection()
        .prepare_cached("DELETE FROM intents WHERE id = ?1")?
        .execute([id])?;
    Ok(())
}

/// What an earlier run left, in the order in which it began.
pub(crate) fn all(connection: &Connection) -> Result<Vec<(i64, String)>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT id, command FROM intents ORDER BY id")?;
    let intents = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(intents.collect::<Result<_, _>>()?)
}
