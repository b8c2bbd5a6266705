//! The open timestore.

use crate::catalogue::{self, Dataset};
use crate::error::{Error, Result};
use crate::retention;
use crate::schema::{check_slug, missing_fields, quote};
use crate::sink::ActivitySink;
use crate::store::{self, Pool, Settings, Store};
use crate::{activity, metric, pipeline, rest};
use duckdb::{Connection, OptionalExt, params};
use journal::Clock;
use parking_lot::Mutex;
use process::Task;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use utoipa_axum::router::OpenApiRouter;

/// Reads of the API run at once, and a person's statements beside them.
const READERS: usize = 2;
/// Reads of each kind that may wait.
const READ_QUEUE: usize = 32;
/// A digest reads every row.
pub(crate) const DIGEST_LIMIT: Duration = Duration::from_secs(600);

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
    /// How many of the newest entries growth reads one by one; older ones are summed by hour.
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
            batch_memory_bytes: 40 << 20,
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

/// An open timestore. Cheap to clone; [`close`](Self::close) ends all clones.
#[derive(Clone, Debug)]
pub struct Timestore {
    inner: Arc<Inner>,
}

/// What handlers work with.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) options: Options,
    pub(crate) activity: Dataset,
    /// The API's own reads.
    pub(crate) reads: Pool,
    /// People's statements, so that they never keep the API's reads waiting.
    pub(crate) statements: Pool,
    pub(crate) store: Arc<Store>,
    sweeper: Mutex<Option<Task>>,
}

impl Timestore {
    /// Opens the database, alone, and makes what is missing in it. Needs no async runtime.
    ///
    /// # Errors
    /// [`Error::Locked`] names the data directory that another timestore has; [`Error::Open`] says
    /// why the file cannot be opened.
    pub fn open(options: Options) -> std::result::Result<Self, Error> {
        metric::describe();
        check_slug(&options.dataset_slug)?;
        check_slug(&options.table_name)?;
        let settings = Settings {
            path: options.database_path.clone(),
            memory_limit_bytes: options.memory_limit_bytes,
            batch_memory_bytes: options.batch_memory_bytes,
            threads: options.threads,
            log_max_bytes: options.log_max_bytes,
        };
        let store = Arc::new(Store::open(settings, |connection| {
            prepare(connection, &options)
        })?);
        let slug = options.dataset_slug.clone();
        let activity = store.write_blocking(move |connection| catalogue::get(connection, &slug))?;
        let instance = store.instance();
        let reads = Pool::start("timestore-read", READERS, READ_QUEUE, &instance)?;
        let statements = Pool::start("timestore-sql", READERS, READ_QUEUE, &instance)?;
        let sweeper = retention::keep_sweeping(
            Arc::clone(&store),
            Arc::clone(&options.clock),
            options.retention_interval,
        )?;
        let inner = Inner {
            options,
            activity,
            reads,
            statements,
            store,
            sweeper: Mutex::new(Some(sweeper)),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The sink for filestore's journal. One consumer uses it.
    #[must_use]
    pub fn sink(&self) -> ActivitySink {
        ActivitySink::new(
            Arc::clone(&self.inner.store),
            self.inner.activity.clone(),
            Arc::clone(&self.inner.options.clock),
            self.inner.options.growth_tail_entries,
        )
    }

    /// The REST API, but for what `feed` adds.
    #[must_use]
    pub fn router(&self) -> OpenApiRouter {
        rest::router(Arc::clone(&self.inner))
    }

    /// Whether it takes requests, for `/readyz`.
    ///
    /// # Errors
    /// Its database is not open.
    pub fn ready(&self) -> std::result::Result<(), String> {
        match self.inner.store.instance().is_open() {
            true => Ok(()),
            false => Err("the timestore's database is not open".to_owned()),
        }
    }

    /// A digest of the activity's rows that depends neither on their order nor on when they came
    /// in: a book that is rebuilt from the same journal has the same. Blocks.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn content_digest(&self) -> std::result::Result<String, Error> {
        self.inner.reads.read_blocking(DIGEST_LIMIT, |connection| {
            Ok(connection
                .query_row(include_str!("sql/content_digest.sql"), [], |row| row.get(0))?)
        })
    }

    /// Stops the readers, folds the log into the database file and closes it. Blocks; calling it
    /// again does nothing.
    pub fn close(&self) {
        drop(self.inner.sweeper.lock().take());
        self.inner.reads.close();
        self.inner.statements.close();
        self.inner.store.close();
    }
}

/// Makes what is missing in the database.
fn prepare(connection: &Connection, options: &Options) -> Result<()> {
    store::transaction(connection, |connection| {
        catalogue::prepare(connection)?;
        connection.execute_batch(activity::DROP_GATHERED)?;
        let found: Option<(i64, String)> = connection
            .query_row(
                "SELECT id, table_name FROM tidemark.datasets WHERE is_activity",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
        match found {
            None => {
                activity::create(connection, &options.table_name)?;
                let dataset = catalogue::register(
                    connection,
                    &options.dataset_slug,
                    &options.dataset_name,
                    &options.table_name,
                    true,
                    options.clock.now(),
                )?;
                catalogue::add_fields(connection, &dataset, &activity::fields())
            }
            Some((id, table)) => {
                add_columns(connection)?;
                rename(connection, id, &table, options)
            }
        }
    })
}

/// Adds the columns that an activity of an earlier version lacks.
fn add_columns(connection: &Connection) -> Result<()> {
    for dataset in catalogue::list(connection)? {
        let missing = match dataset.is_activity {
            true => missing_fields(&dataset.fields, &activity::fields())?,
            false => Vec::new(),
        };
        if !missing.is_empty() {
            pipeline::add_fields(connection, &dataset, &missing)?;
            activity::create_view(connection, &dataset.table)?;
        }
    }
    Ok(())
}

/// Follows the configuration where it names the activity otherwise than before.
fn rename(connection: &Connection, id: i64, table: &str, options: &Options) -> Result<()> {
    if table != options.table_name {
        connection.execute_batch(&format!(
            "ALTER TABLE main.{} RENAME TO {}",
            quote(table),
            quote(&options.table_name)
        ))?;
        activity::create_view(connection, &options.table_name)?;
    }
    connection.execute(
        "UPDATE tidemark.datasets SET slug = ?, name = ?, table_name = ? WHERE id = ?",
        params![
            options.dataset_slug,
            options.dataset_name,
            options.table_name,
            id
        ],
    )?;
    Ok(())
}
