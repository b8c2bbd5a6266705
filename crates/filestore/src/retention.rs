//! Retention: the journal forgets what is old, and never what a consumer here still has to read.
//!
//! Entries go once they are older than the retention *and* every consumer that is known has applied
//! them, those of this process and those elsewhere ([`crate::consumers`]). One that comes too late
//! is answered `410 journal_trimmed`, and starts again from a snapshot.
//!
//! The age of an entry is the time of its commit. The clock may go back, so commit times need not
//! ascend with ids; the search assumes that they nearly do, and errs by as much as they do not.

use crate::consumers::Consumers;
use catalogue::StoreError;
use catalogue::last_committed_before;
use journal::{JournalId, Time};
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

impl Consumers {
    /// Trims the journal by age, not past `applied` nor past what a known consumer needs, once. Blocks. Gives the trimmed id.
    ///
    /// # Errors
    /// The catalogue cannot be read or written.
    pub(crate) fn retain(
        &self,
        options: RetentionOptions,
        applied: JournalId,
    ) -> Result<JournalId, StoreError> {
        let keep_millis = i64::try_from(options.keep.as_millis()).unwrap_or(i64::MAX);
        let now = self.catalogue.clock().now();
        let before = Time::from_millis(now.as_millis().saturating_sub(keep_millis));
        let old = self
            .catalogue
            .read(|connection| last_committed_before(connection, before))?;
        self.trim_applied(old.min(applied), self.hold())
    }

    /// Trims the journal by age every minute until `stop`, behind the consumers that are known.
    pub(crate) async fn keep_retaining(
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
            let consumers = Arc::clone(&self);
            let retained =
                tokio::task::spawn_blocking(move || consumers.retain(options, JournalId::MAX));
            if let Ok(Err(error)) = retained.await {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "journal was not trimmed, it is tried again");
            }
        }
    }
}
