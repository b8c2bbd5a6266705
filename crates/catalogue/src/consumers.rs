//! What is remembered of the journal's consumers elsewhere.

use super::{ReadTx, StoreError, WriteTx};
use journal::{JournalId, Time};
use rusqlite::params;

/// A consumer elsewhere, as it was written down last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Consumer {
    /// It needs the entries after this one.
    pub after: JournalId,
    /// When it was first seen.
    pub first_seen_at: Time,
    /// When it was last seen.
    pub last_seen_at: Time,
}

/// All of them, by name.
///
/// # Errors
/// A statement fails.
pub fn all(tx: &ReadTx<'_>) -> Result<Vec<(String, Consumer)>, StoreError> {
    const SQL: &str = "SELECT name, after_id, first_seen_at, last_seen_at FROM journal_consumers
        ORDER BY name";
    let mut statement = tx.prepare_cached(SQL)?;
    let rows = statement.query_map([], |row| {
        let consumer = Consumer {
            after: JournalId::from_i64(row.get(1)?),
            first_seen_at: Time::from_millis(row.get(2)?),
            last_seen_at: Time::from_millis(row.get(3)?),
        };
        Ok((row.get(0)?, consumer))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Writes down where a consumer is.
///
/// # Errors
/// A statement fails.
pub fn put(tx: &WriteTx<'_>, name: &str, consumer: &Consumer) -> Result<(), StoreError> {
    tx.prepare_cached(include_str!("sql/see_consumer.sql"))?
        .execute(params![
            name,
            consumer.after.as_i64(),
            consumer.first_seen_at.as_millis(),
            consumer.last_seen_at.as_millis(),
        ])?;
    Ok(())
}

/// Forgets a consumer.
///
/// # Errors
/// A statement fails.
pub fn remove(tx: &WriteTx<'_>, name: &str) -> Result<(), StoreError> {
    tx.prepare_cached("DELETE FROM journal_consumers WHERE name = ?1")?
        .execute([name])?;
    Ok(())
}
