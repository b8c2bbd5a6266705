//! The metastore as a whole: one database file, its threads, and what hangs on them.
//!
//! ```text
//! sink (consumer's thread) ──┐ fair turns, one transaction each
//! writer (one thread) ───────┴─▶ metastore.db ◀─── readers (four threads), node streams
//! ```
//!
//! SQLite has one writer at a time. The sink and people's writes take fair turns, so that a
//! person's write waits for one batch at most and the sink for one write. Reads see the last
//! commit and wait for nobody.

use crate::db::{self, DbError, Role};
use crate::db_threads::{DbThreads, QueueError, Turn};
use crate::names;
use crate::names::builder::{Builder, Wake};
use crate::namespaces;
use crate::record::RecordError;
use crate::rules::{NamespaceRules, RuleSet, RulesConfig};
use crate::search::field::JsonField;
use crate::search::{SearchPreset, indexed};
use crate::sink::{SharedRules, Sink, replace_all};
use crate::{BookDigest, digest, integrity, rest};
use httpkit::{Integrity, Problem};
use journal::{Clock, Mark, SystemClock, Time};
use parking_lot::{Mutex, RwLock};
use process::{Holder, Lock, LockError};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use utoipa_axum::router::OpenApiRouter;

const READERS: usize = 4;
const READ_QUEUE: usize = 256;
const WRITE_QUEUE: usize = 256;
const READ_DEADLINE: Duration = Duration::from_secs(20);
/// How many node streams may run at once: each holds a connection, and keeps the write-ahead log
/// from being cut while it lasts.
const NODE_STREAMS: usize = 4;

/// Counts a commit of people's writes.
const COUNT_COMMIT: &str = "UPDATE people_commits SET commits = commits + 1 RETURNING commits";

/// Which rules place records.
#[derive(Clone, Debug)]
pub enum Rules {
    /// Those of the configuration, which REST may replace.
    Configured(RuleSet),
    /// A program's own.
    Custom(Arc<dyn NamespaceRules>),
}

/// How a metastore is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The database file; a lock file is put beside it.
    pub database_path: PathBuf,
    /// Which rules place records.
    pub rules: Rules,
    /// Searches that a search may ask for by name (`preset`).
    pub search_presets: Vec<SearchPreset>,
    /// Fields of the metadata that are indexed, as names joined by dots.
    pub indexed_fields: Vec<String>,
    /// The most that the database file may take, in bytes; `None` for no bound but the disk.
    pub max_size_bytes: Option<u64>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

impl Options {
    /// `metastore.db` in `data_dir`, every node in the namespace `filestore`.
    #[must_use]
    pub fn in_data_dir(data_dir: &Path) -> Self {
        Self {
            database_path: data_dir.join("metastore.db"),
            rules: Rules::Configured(RuleSet::default()),
            search_presets: Vec::new(),
            indexed_fields: Vec::new(),
            max_size_bytes: None,
            clock: Arc::new(SystemClock),
        }
    }
}

/// Why a metastore cannot be opened. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error(
        "the metastore's data directory {} is in use by {holder}; stop it, or \
         choose another directory with TIDEMARK_DATA_DIR or METASTORE_DATABASE_URL",
        directory.display()
    )]
    InUse {
        /// The directory.
        directory: PathBuf,
        /// The process.
        holder: Holder,
    },
    /// The directory or a file in it cannot be used.
    #[error("cannot use {}; check that the directory exists and may be written", path.display())]
    Io {
        /// What was tried.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// The file is not a database that this version can use.
    #[error("cannot open the metastore's database {}: {reason}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// Why, in words.
        reason: String,
        /// Why, as SQLite says it.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// A field of the metadata cannot be indexed.
    #[error("METASTORE_INDEXED_FIELDS cannot be used: {0}")]
    Field(String),
    /// A search preset of the configuration is not a filter.
    #[error("the search preset {name:?} cannot be used: {reason}")]
    Preset {
        /// Its name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Records, search, audit and namespaces over one database. Clones share it.
#[derive(Clone, Debug)]
pub struct Metastore(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    path: PathBuf,
    max_size_bytes: Option<u64>,
    reader: DbThreads,
    writer: DbThreads,
    turn: Turn,
    /// The rules in force.
    pub(crate) rules: SharedRules,
    /// Whether REST may replace them.
    pub(crate) are_rules_configured: bool,
    pub(crate) presets: Vec<SearchPreset>,
    pub(crate) indexed_fields: Arc<[JsonField]>,
    /// Grows with every write that people commit: wakes those who watch records.
    pub(crate) writes: watch::Sender<u64>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) node_streams: Arc<tokio::sync::Semaphore>,
    names: Mutex<Option<Builder>>,
    wake_names: Wake,
    lock: Mutex<Option<Arc<Lock>>>,
    /// How often people's writes were committed.
    mark: Arc<Mark>,
}

impl Metastore {
    /// Opens the database, making it if it is not there, and places records anew if the rules are
    /// not those that they were placed by.
    ///
    /// # Errors
    /// As [`OpenError`] says.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        let path = options.database_path;
        let lock = Lock::take(&path.with_extension("lock")).map_err(|error| held(error, &path))?;
        let database = |error: DbError| unusable(&path, error);
        let presets = check_presets(options.search_presets)?;
        let indexed_fields = indexed::check(&options.indexed_fields).map_err(OpenError::Field)?;
        let connect = |role| {
            connect(&path, role, options.max_size_bytes).map_err(|error| database(error.into()))
        };
        let mut writer = connect(Role::Writer)?;
        db::migrate(&mut writer).map_err(database)?;
        indexed::settle(&mut writer, &indexed_fields).map_err(|error| database(error.into()))?;
        let mark = check_mark(&path, &writer)?;
        let are_rules_configured = matches!(options.rules, Rules::Configured(_));
        let rules = settle_rules(&mut writer, options.rules, options.clock.now())
            .map_err(|error| database(error.into()))?;
        let turn = Turn::default();
        let names = connect(Role::Writer)?;
        let readers = (0..READERS)
            .map(|_| connect(Role::Reader))
            .collect::<Result<_, _>>()?;
        let spawn = |source| OpenError::Io {
            path: path.clone(),
            source,
        };
        let reader = DbThreads::start(
            "metastore-read",
            readers,
            READ_QUEUE,
            None,
            Some(READ_DEADLINE),
        );
        let writer = DbThreads::start(
            "metastore-write",
            vec![writer],
            WRITE_QUEUE,
            Some(&turn),
            None,
        );
        let (names, wake_names) = Builder::start(names, Arc::clone(&turn)).map_err(spawn)?;
        Ok(Self(Arc::new(Inner {
            names: Mutex::new(Some(names)),
            wake_names,
            reader: reader.map_err(spawn)?,
            writer: writer.map_err(spawn)?,
            turn,
            rules: Arc::new(RwLock::new(rules)),
            are_rules_configured,
            presets,
            indexed_fields: indexed_fields.into(),
            writes: watch::Sender::new(0),
            clock: options.clock,
            node_streams: Arc::new(tokio::sync::Semaphore::new(NODE_STREAMS)),
            lock: Mutex::new(Some(Arc::new(lock))),
            mark: Arc::new(mark),
            max_size_bytes: options.max_size_bytes,
            path: path.clone(),
        })))
    }

    /// A sink for a consumer, with a connection of its own.
    ///
    /// # Errors
    /// The database cannot be opened once more, or the metastore is closed.
    pub fn sink(&self) -> Result<Sink, OpenError> {
        let inner = &self.0;
        let closed = || std::io::Error::other("the metastore is closed");
        let lock = inner.lock.lock().clone();
        let lock = lock.ok_or_else(|| OpenError::Io {
            path: inner.path.clone(),
            source: closed(),
        })?;
        let connection = connect(&inner.path, Role::Writer, inner.max_size_bytes)
            .map_err(|error| unusable(&inner.path, error.into()))?;
        Ok(Sink {
            connection,
            turn: Arc::clone(&inner.turn),
            rules: Arc::clone(&inner.rules),
            clock: Arc::clone(&inner.clock),
            names: inner.wake_names.clone(),
            _lock: lock,
        })
    }

    /// The REST API, for `httpkit::App`.
    pub fn router(&self) -> OpenApiRouter {
        rest::router(self)
    }

    /// A hash over what the sync wrote of all live nodes, in the order of their ids: two books
    /// that hold the same nodes in the same namespaces have the same one. Blocks, and reads the
    /// whole book.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn content_digest(&self) -> Result<String, OpenError> {
        self.0
            .open_reader()
            .and_then(|connection| digest::content(&connection))
            .map_err(|error| unusable(&self.0.path, error.into()))
    }

    /// Digests of what the sync and people wrote, of one state of the book. Blocks, and reads the
    /// whole book.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn digest(&self) -> Result<BookDigest, OpenError> {
        self.0
            .open_reader()
            .and_then(|connection| digest::of(&connection))
            .map_err(|error| unusable(&self.0.path, error.into()))
    }

    /// Whether the file still holds what was written to it. Blocks, and reads the whole book.
    ///
    /// # Errors
    /// The database cannot be opened. That it cannot be read is a finding.
    pub fn check_integrity(&self) -> Result<Integrity, OpenError> {
        self.0
            .open_reader()
            .and_then(|connection| integrity::check(&connection))
            .map_err(|error| unusable(&self.0.path, error.into()))
    }

    /// How many nodes the index of names does not cover yet; each search by words looks through them
    /// one by one. Blocks.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn names_to_index(&self) -> Result<u64, OpenError> {
        self.0
            .open_reader()
            .and_then(|connection| names::left(&connection))
            .map_err(|error| unusable(&self.0.path, error.into()))
    }

    /// Whether it takes requests, for `/readyz`.
    ///
    /// # Errors
    /// Its database is not open.
    pub fn ready(&self) -> Result<(), String> {
        match self.0.reader.is_open() && self.0.writer.is_open() {
            true => Ok(()),
            false => Err("the metastore's database is not open".to_owned()),
        }
    }

    /// Finishes the work in hand, closes the database and lets another process have it, once the
    /// sinks are dropped too. Blocks. What is asked afterwards is answered with 503.
    pub fn close(&self) {
        drop(self.0.names.lock().take());
        // The last connection to go empties the write-ahead log, which a reader could not.
        self.0.reader.close();
        self.0.writer.close();
        self.0.lock.lock().take();
    }
}

impl Inner {
    /// Reads on one of the reader threads.
    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, RecordError> + Send + 'static,
    {
        let outcome = self.reader.run(move |connection| work(connection)).await;
        Ok(outcome.map_err(busy)??)
    }

    /// Writes in one transaction on the writer thread, at the time it is given.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&mut Transaction<'_>, Time) -> Result<T, RecordError> + Send + 'static,
    {
        self.write_then(work, || ()).await
    }

    /// As [`Inner::write`], and once it is committed does `then` before anyone else may write.
    pub(crate) async fn write_then<T, F, G>(&self, work: F, then: G) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&mut Transaction<'_>, Time) -> Result<T, RecordError> + Send + 'static,
        G: FnOnce() + Send + 'static,
    {
        let (clock, mark) = (Arc::clone(&self.clock), Arc::clone(&self.mark));
        let job = move |connection: &mut Connection| {
            let mut transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let result = work(&mut transaction, clock.now())?;
            let commits: i64 = transaction
                .prepare_cached(COUNT_COMMIT)?
                .query_row([], |row| row.get(0))?;
            transaction.commit()?;
            // A mark that cannot be set is too low, and claims nothing wrong.
            if let Err(error) = mark.set(commits.unsigned_abs()) {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "the mark of people's writes was not set");
            }
            then();
            Ok::<_, RecordError>(result)
        };
        let result = self.writer.run(job).await.map_err(busy)??;
        self.writes
            .send_modify(|writes| *writes = writes.wrapping_add(1));
        Ok(result)
    }

    /// A reading connection beside those of the threads.
    pub(crate) fn open_reader(&self) -> rusqlite::Result<Connection> {
        db::connect(&self.path, Role::Reader)
    }
}

fn check_presets(presets: Vec<SearchPreset>) -> Result<Vec<SearchPreset>, OpenError> {
    let refuse = |preset: &SearchPreset, reason: String| OpenError::Preset {
        name: preset.name.clone(),
        reason,
    };
    // Ages count back from when a preset is used; here any time does.
    let now = Time::from_millis(0);
    for (index, preset) in presets.iter().enumerate() {
        preset
            .filter(now)
            .map_err(|refusal| refuse(preset, refusal.to_string()))?;
        if presets
            .iter()
            .take(index)
            .any(|other| other.name == preset.name)
        {
            return Err(refuse(preset, "another one has this name".to_owned()));
        }
    }
    Ok(presets)
}

fn connect(path: &Path, role: Role, max_size_bytes: Option<u64>) -> rusqlite::Result<Connection> {
    let connection = db::connect(path, role)?;
    if let Some(bytes) = max_size_bytes {
        let page: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let pages = i64::try_from(bytes).unwrap_or(i64::MAX) / page.max(1);
        connection.pragma_update(None, "max_page_count", pages.max(1))?;
    }
    Ok(connection)
}

/// The rules in force: what REST put last, unless the configuration has changed since.
fn settle_rules(
    connection: &mut Connection,
    rules: Rules,
    now: Time,
) -> rusqlite::Result<Arc<dyn NamespaceRules>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let stored = rest::rules::stored(&transaction)?;
    let given: Arc<dyn NamespaceRules> = match &rules {
        Rules::Configured(rules) => Arc::new(rules.clone()),
        Rules::Custom(rules) => Arc::clone(rules),
    };
    if let Rules::Configured(rules) = &rules {
        // In a new book the first number: most nodes will lie there.
        namespaces::number(&transaction, rules.default_namespace())?;
    }
    let fingerprint = given.fingerprint();
    let kept = match (&rules, &stored) {
        (Rules::Configured(_), Some(stored)) if stored.configured == fingerprint => {
            let config = serde_json::from_str::<RulesConfig>(&stored.active).ok();
            config.and_then(|config| RuleSet::new(config).ok())
        }
        _ => None,
    };
    let in_force: Arc<dyn NamespaceRules> = match kept {
        Some(kept) => Arc::new(kept),
        None => given,
    };
    let active = in_force.fingerprint();
    if stored.as_ref().is_none_or(|stored| stored.active != active) {
        let nodes = replace_all(&transaction, &*in_force)?;
        if stored.is_some() {
            tracing::info!(
                nodes,
                "namespace rules have changed, records are placed anew"
            );
        }
    }
    transaction.execute(
        include_str!("sql/rules_store.sql"),
        params![fingerprint, active, now.as_millis(), None::<String>],
    )?;
    transaction.commit()?;
    Ok(in_force)
}

/// SQLite takes what it can read of its log for everything there is: the mark tells whether there
/// was more that people wrote. What the sync wrote comes again from the journal.
fn check_mark(path: &Path, connection: &Connection) -> Result<Mark, OpenError> {
    let io = |source| OpenError::Io {
        path: path.to_owned(),
        source,
    };
    let mark = Mark::of(path).map_err(io)?;
    let commits: i64 = connection
        .query_row("SELECT commits FROM people_commits", [], |row| row.get(0))
        .map_err(|error| unusable(path, error.into()))?;
    let commits = commits.unsigned_abs();
    match mark.get().map_err(io)? {
        Some(noted) if noted > commits => Err(OpenError::Database {
            path: path.to_owned(),
            reason: format!(
                "the last {} writes by people are gone: the end of the database or of its log is \
                 damaged; restore it from a backup, or remove {} to go on without them",
                noted - commits,
                mark.path().display()
            ),
            source: None,
        }),
        _ => Ok(mark),
    }
}

fn held(error: LockError, path: &Path) -> OpenError {
    match error {
        LockError::Held { path, holder } => OpenError::InUse {
            directory: path.parent().unwrap_or(&path).to_owned(),
            holder,
        },
        LockError::Io { source, .. } => OpenError::Io {
            path: path.parent().unwrap_or(path).to_owned(),
            source,
        },
    }
}

fn unusable(path: &Path, error: DbError) -> OpenError {
    let mut reason = error.to_string();
    if let DbError::Sqlite(error) = &error
        && db::fault(error) == db::Fault::Damaged
    {
        reason = format!(
            "{error}: it is damaged; put a backup in its place, or move it, its -wal and its .mark \
             aside and start again: what the sync wrote is then read anew from the journal, but what \
             people wrote (tags, owners, metadata and their audit) is in this file only"
        );
    }
    OpenError::Database {
        path: path.to_owned(),
        reason,
        source: Some(Box::new(error)),
    }
}

fn busy(error: QueueError) -> Problem {
    match error {
        QueueError::Full => Problem::too_many("the metastore has all the work it can queue"),
        QueueError::Closed => Problem::unavailable("the metastore is stopping"),
    }
}
