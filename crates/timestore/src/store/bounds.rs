//! How much memory a bounded read may take, and whether it has.

use crate::error::Result;
use duckdb::Connection;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What aggregates may gather into lists and texts, whatever the limit: the result is as large
/// again, and may be copied a few times.
const GATHERED_MAX_BYTES: u64 = 96 << 20;

/// What the read tells of itself.
#[derive(Debug, Default)]
pub(crate) struct Bounds {
    gathers: AtomicBool,
}

impl Bounds {
    /// It gathers many rows into one value.
    pub(crate) fn gathers(&self) {
        self.gathers.store(true, Ordering::Release);
    }
}

/// Looks at the memory of one read.
pub(super) struct Monitor {
    bounds: Arc<Bounds>,
    /// Beside the read's own, which is busy.
    connection: Connection,
    /// What the process may grow to.
    resident_max_bytes: u64,
    gathered_max_bytes: u64,
}

impl Monitor {
    pub(super) fn start(
        bounds: Arc<Bounds>,
        connection: &Connection,
        limit_bytes: u64,
    ) -> Result<Self> {
        let connection = connection.try_clone()?;
        let gathered = gathered_bytes(&connection).unwrap_or(0);
        Ok(Self {
            bounds,
            connection,
            // Beside what DuckDB counts, there are the blocks of rows that it works on.
            resident_max_bytes: resident_bytes().unwrap_or(0) + limit_bytes + limit_bytes / 4,
            gathered_max_bytes: gathered + GATHERED_MAX_BYTES.min(limit_bytes),
        })
    }

    pub(super) fn is_over(&self) -> bool {
        resident_bytes().is_some_and(|bytes| bytes > self.resident_max_bytes)
            || (self.bounds.gathers.load(Ordering::Acquire)
                && gathered_bytes(&self.connection)
                    .is_some_and(|bytes| bytes > self.gathered_max_bytes))
    }
}

/// What DuckDB's aggregates have, as it counts. None, if it does not say.
fn gathered_bytes(connection: &Connection) -> Option<u64> {
    let sql = "SELECT memory_usage_bytes::UBIGINT FROM duckdb_memory() WHERE tag = 'ALLOCATOR'";
    let mut statement = connection.prepare_cached(sql).ok()?;
    statement.query_row([], |row| row.get(0)).ok()
}

/// What the process has in memory. None, where the system does not say.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}
