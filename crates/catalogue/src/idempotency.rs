//! Answers kept for clients that ask again.
//!
//! The key, what was asked and what was answered are stored in the transaction of the command, so
//! a command has one effect however often it is sent.

use super::{ReadTx, StoreError, WriteTx};
use rusqlite::{OptionalExtension, params};
use std::time::Duration;

/// How long an answer is kept.
const KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What a command asked, as a hash.
pub type Fingerprint = [u8; 32];

/// An answer kept.
#[derive(Debug)]
pub struct Kept {
    /// What was asked.
    pub fingerprint: Fingerprint,
    /// JSON.
    pub response: String,
}

/// What was answered under this key.
///
/// # Errors
/// The catalogue cannot be read or written.
pub fn find(tx: &ReadTx<'_>, key: &str) -> Result<Option<Kept>, StoreError> {
    const SQL: &str = "SELECT fingerprint, response FROM idempotency WHERE key = ?1";
    let kept = tx.prepare_cached(SQL)?.query_row([key], |row| {
        Ok(Kept {
            fingerprint: row.get(0)?,
            response: row.get(1)?,
        })
    });
    Ok(kept.optional()?)
}

/// Keeps an answer, and forgets a few that are old: the table does not grow without bound.
///
/// # Errors
/// The catalogue cannot be read or written.
pub fn keep(tx: &WriteTx<'_>, key: &str, kept: &Kept) -> Result<(), StoreError> {
    let now = tx.now().as_millis();
    let connection = tx.connection();
    connection
        .prepare_cached(include_str!("sql/keep_answer.sql"))?
        .execute(params![key, kept.fingerprint, kept.response, now])?;
    let kept_ms = i64::try_from(KEPT.as_millis()).unwrap_or(i64::MAX);
    connection
        .prepare_cached(include_str!("sql/forget_answers.sql"))?
        .execute([now.saturating_sub(kept_ms)])?;
    Ok(())
}
