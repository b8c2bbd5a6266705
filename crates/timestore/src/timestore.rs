//! The open timestore.

use crate::catalogue;
use crate::error::{Error, Result};
use crate::inner::{DIGEST_LIMIT, Inner};
use crate::options::Options;
use crate::retention;
use crate::schema::{check_slug, missing_fields, quote};
use crate::sink::ActivitySink;
use crate::store::{self, Pool, Settings, Store};
use crate::usage::Keeper;
use crate::{activity, metric, pipeline, rest};
use duckdb::{Connection, OptionalExt, params};
use parking_lot::Mutex;
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;

/// Reads of the API run at once, and a person's statements beside them.
const READERS: usize = 2;
/// Reads of each kind that may wait.
const READ_QUEUE: usize = 32;
/// An open timestore. Cheap to clone; [`close`](Self::close) ends all clones.
#[derive(Clone, Debug)]
pub struct Timestore {
    inner: Arc<Inner>,
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
        let keeper = Keeper::start(Arc::clone(&store), options.growth_tail_entries)?;
        let inner = Inner {
            options,
            activity,
            reads,
            statements,
            keeper,
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
            self.inner.keeper.progress(),
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

    /// Sums usage up to the book's head, as a thread does by itself when enough has gathered.
    /// Blocks.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub fn sum_usage(&self) -> std::result::Result<(), Error> {
        self.inner.keeper.sum_all()
    }

    /// Stops the readers, folds the log into the database file and closes it. Blocks; calling it
    /// again does nothing.
    pub fn close(&self) {
        drop(self.inner.sweeper.lock().take());
        self.inner.keeper.close();
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
