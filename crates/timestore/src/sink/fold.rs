//! When the log is folded into the file.
//!
//! DuckDB folds its log in the commit that makes it longer than its limit, and that commit, with
//! all entries that come meanwhile, waits. So the log that a catch-up leaves, nearly full or not,
//! is folded as soon as the book is at the head: the first live entries find it empty, and at a
//! thousand entries a second it takes a minute to fill. What has gathered since then is folded
//! when no entry has come for a while.

use crate::error::{Result, message};
use duckdb::Connection;
use std::time::{Duration, Instant};

/// As many entries in one batch come of a backlog, and fewer are not worth folding.
pub(super) const MANY: usize = 2_000;
/// As long without an entry is quiet.
const QUIET: Duration = Duration::from_secs(2);

/// What was written since the log was folded here.
#[derive(Debug, Default)]
pub(super) struct Unfolded {
    entries: usize,
    had_backlog: bool,
    last_at: Option<Instant>,
}

impl Unfolded {
    pub(super) fn add(&mut self, entries: usize) {
        self.entries = self.entries.saturating_add(entries);
        self.had_backlog |= entries >= MANY;
        self.last_at = Some(Instant::now());
    }

    /// Whether the log is to be folded now that no entry waits.
    pub(super) fn is_due(&self) -> bool {
        self.had_backlog
            || (self.entries >= MANY && self.last_at.is_some_and(|at| at.elapsed() >= QUIET))
    }
}

/// Folds the log. If it fails, the log stays, and is folded when it is full.
pub(super) fn fold(connection: &Connection) -> Result<()> {
    connection.execute_batch("CHECKPOINT").map_err(|error| {
        tracing::warn!(error = message(&error), "log not folded into the database");
        error.into()
    })
}
