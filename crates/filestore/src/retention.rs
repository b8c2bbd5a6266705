//! Retention: the journal forgets what is old, and never what a consumer here still has to read.
//!
//! Entries go once they are older than the retention *and* every consumer that is known has applied
//! them, those of this process and those elsewhere ([`crate::consumers`]). One that comes too late
//! is answered `410 journal_trimmed`, and starts again from a snapshot.
//!
//! The age of an entry is the time of its commit. The clock may go back, so commit times need not
//! ascend with ids; the search assumes that they nearly do, and errs by as much as they do not.

use crate::{Filestore, StoreError};
use journal::{JournalId, Time};
use rusqlite::{Connection, OptionalExtension as _};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often retention looks.
const INTERVAL: Duration = Duration::from_secs(60);

/// How long entries are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionOptions {
    /// Entries younger than this stay.
    pub keep: Duration,
}

impl Filestore {
    /// Trims the journal by age, not past `applied` nor past what a known consumer needs, once. Blocks. Gives the trimmed id.
    ///
    /// # Errors
    /// The catalogue cannot be read or written.
    pub fn retain(
        &self,
        options: RetentionOptions,
        applied: JournalId,
    ) -> Result<JournalId, StoreError> {
        let keep_millis = i64::try_from(options.keep.as_millis()).unwrap_or(i64::MAX);
        let now = self.store.clock().now();
        let before = Time::from_millis(now.as_millis().saturating_sub(keep_millis));
        let old = self
            .store
            .read(|connection| last_committed_before(connection, before))?;
        self.trim_applied(old.min(applied), self.hold)
    }

    /// Trims the journal by age every minute until `stop`, behind the consumers that are known.
    pub async fn keep_retaining(
        self: Arc<Self>,
        options: RetentionOptions,
        stop: CancellationToken,
    ) {
        let mut ticks = tokio::time::interval(INTERVAL);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let filestore = Arc::clone(&self);
            let retained =
                tokio::task::spawn_blocking(move || filestore.retain(options, JournalId::MAX));
            if let Ok(Err(error)) = retained.await {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "journal was not trimmed, it is tried again");
            }
        }
    }
}

/// The last entry committed before this time, found by halving the ids.
fn last_committed_before(connection: &Connection, before: Time) -> Result<JournalId, StoreError> {
    let bounds = "SELECT coalesce(min(journal_id), 0), coalesce(max(journal_id), 0) FROM journal";
    let (first, last): (i64, i64) =
        connection.query_row(bounds, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut statement =
        connection.prepare_cached("SELECT committed_at FROM journal WHERE journal_id = ?1")?;
    let mut is_old = |id: i64| -> Result<bool, StoreError> {
        let committed_at: Option<i64> = statement.query_row([id], |row| row.get(0)).optional()?;
        Ok(committed_at.is_some_and(|millis| millis < before.as_millis()))
    };
    // All below `low` are old, none from `high` on is.
    let (mut low, mut high) = (first, last.saturating_add(1));
    while low < high {
        let middle = low.midpoint(high);
        if is_old(middle)? {
            low = middle.saturating_add(1);
        } else {
            high = middle;
        }
    }
    Ok(JournalId::from_i64(low.saturating_sub(1)))
}
