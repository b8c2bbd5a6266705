//! What a timestore is opened with, and the defaults.

use journal::Clock;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What a timestore is opened with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The DuckDB file. Its directory is made if it is not there.
    pub database_path: PathBuf,
    /// The slug of the dataset that the journal fills.
    pub dataset_slug: String,
    /// Its name for people.
    pub dataset_name: String,
    /// Its table in SQL.
    pub table_name: String,
    /// What DuckDB may use of memory, in bytes; what does not fit goes to disk.
    pub memory_limit_bytes: u64,
    /// What it may use for batches of the journal, in bytes, so that a catch-up does not fill all of
    /// the limit with blocks that it has just written. Where that is too little for what the journal
    /// tells, it is doubled, up to the limit.
    pub batch_memory_bytes: u64,
    /// How many threads DuckDB works with, a statement's own among them. Each has its own memory
    /// beside the limit.
    pub threads: u32,
    /// DuckDB folds its write-ahead log into the file when it is longer than this, in bytes. What
    /// is in it is also in memory, uncompressed.
    pub log_max_bytes: u64,
    /// How many of the newest entries growth and usage read one by one; older ones are summed.
    pub growth_tail_entries: u64,
    /// How long a read may run, a person's or the API's.
    pub sql_timeout: Duration,
    /// How many rows a person's statement may give.
    pub sql_max_rows: usize,
    /// How often partitions that are too old are looked for.
    pub retention_interval: Duration,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

impl Options {
    /// The defaults: `timestore.duckdb` in `data_dir`, the dataset `filestore_activity`, 256 MiB,
    /// one thread, 30 seconds, 10,000 rows, ten minutes.
    #[must_use]
    pub fn new(data_dir: &std::path::Path, clock: Arc<dyn Clock>) -> Self {
        Self {
            database_path: data_dir.join("timestore.duckdb"),
            dataset_slug: "filestore_activity".to_owned(),
            dataset_name: "Filestore activity".to_owned(),
            table_name: "filestore_activity".to_owned(),
            memory_limit_bytes: 256 << 20,
            batch_memory_bytes: 64 << 20,
            threads: 1,
            log_max_bytes: 32 << 20,
            growth_tail_entries: 50_000,
            sql_timeout: Duration::from_secs(30),
            sql_max_rows: 10_000,
            retention_interval: Duration::from_secs(600),
            clock,
        }
    }
}
