//! The filestore as a program holds it.

use crate::backend::Opener;
use crate::command::{Commands, OnStep};
use crate::consumers::{Consumers, HoldOptions};
use crate::hashing;
use crate::metric;
use crate::mount_health;
use crate::reconcile::Runners;
use crate::s3::Buckets;
use crate::scan::Scans;
use crate::store::{Head, OpenError, Store};
use crate::watch::Watches;
use journal::{Clock, JournalReader, SystemClock};
use parking_lot::Mutex;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

/// Commands that run at once; the next ones wait.
const COMMANDS: usize = 64;

/// Questions that are answered at once; the next ones wait.
const READS: usize = 16;

/// Event streams at once; the next client is refused.
const STREAMS: usize = 512;

/// What a filestore needs to know.
#[derive(Clone)]
pub struct Options {
    /// Its own directory, made if it is not there. One process at a time holds it.
    pub data_dir: PathBuf,
    /// The catalogue; `filestore.sqlite3` in the data directory if `None`.
    pub database_path: Option<PathBuf>,
    /// Where "now" comes from.
    pub clock: Arc<dyn Clock>,
    /// How far back the journal is held for consumers, and for which.
    pub hold: HoldOptions,
    /// Called at each step of each command: for tests that crash there.
    pub on_step: Option<OnStep>,
}

impl Options {
    /// A filestore in this directory, with the machine's clock.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            database_path: None,
            clock: Arc::new(SystemClock),
            hold: HoldOptions::default(),
            on_step: None,
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("data_dir", &self.data_dir)
            .field("database_path", &self.database_path)
            .finish_non_exhaustive()
    }
}

/// A catalogue of files, the journal of what happens to them, and the commands that change them.
#[derive(Debug)]
pub struct Filestore {
    pub(crate) store: Arc<Store>,
    pub(crate) scans: Arc<Scans>,
    pub(crate) runners: Runners,
    /// How hashing in the background is doing.
    pub(crate) hashing: hashing::Board,
    /// Whether mounts can be reached.
    pub(crate) mount_health: mount_health::Board,
    /// What is watched, while it is.
    pub(crate) watches: Mutex<Option<Arc<Watches>>>,
    pub(crate) commands: Commands,
    pub(crate) consumers: Consumers,
    pub(crate) hold: HoldOptions,
    pub(crate) buckets: Arc<Buckets>,
    pub(crate) data_dir: PathBuf,
    pub(crate) command_slots: Arc<Semaphore>,
    pub(crate) read_slots: Arc<Semaphore>,
    pub(crate) stream_slots: Arc<Semaphore>,
    /// Cancelled when it closes: what waits for new entries ends.
    pub(crate) closing: CancellationToken,
}

impl Filestore {
    /// Opens the catalogue, or makes it, and finishes the commands that an earlier run left half
    /// done. Blocks; needs no async runtime.
    ///
    /// # Errors
    /// As [`OpenError`] says.
    pub fn open(options: Options) -> Result<Arc<Self>, OpenError> {
        metric::describe();
        let Options {
            data_dir,
            database_path,
            clock,
            hold,
            on_step,
        } = options;
        let database = database_path.unwrap_or_else(|| data_dir.join("filestore.sqlite3"));
        let store = Arc::new(Store::open(&data_dir, &database, clock)?);
        let buckets = Arc::new(Buckets::default());
        let opener = Opener::new(&data_dir, store.epoch(), Arc::clone(&buckets));
        let commands = Commands::new(Arc::clone(&store), opener, on_step);
        commands
            .recover()
            .map_err(|error| OpenError::Recovery(Box::new(error)))?;
        let consumers =
            Consumers::load(&store).map_err(|error| OpenError::Recovery(Box::new(error)))?;
        let filestore = Arc::new(Self {
            store,
            consumers,
            hold,
            scans: Arc::default(),
            runners: Runners::default(),
            hashing: hashing::Board::default(),
            mount_health: mount_health::Board::default(),
            watches: Mutex::default(),
            commands,
            buckets,
            data_dir,
            command_slots: Arc::new(Semaphore::new(COMMANDS)),
            read_slots: Arc::new(Semaphore::new(READS)),
            stream_slots: Arc::new(Semaphore::new(STREAMS)),
            closing: CancellationToken::new(),
        });
        let resumed = filestore.resume_jobs();
        resumed.map_err(|error| OpenError::Recovery(Box::new(error)))?;
        Ok(filestore)
    }

    /// The journal, to be followed from this process.
    #[must_use]
    pub fn reader(&self) -> Arc<dyn JournalReader> {
        Arc::clone(&self.store) as Arc<dyn JournalReader>
    }

    /// Whether commands run just now.
    pub(crate) fn has_commands(&self) -> bool {
        self.command_slots.available_permits() < COMMANDS
    }

    /// Tells every new head of the journal.
    #[must_use]
    pub fn head_watch(&self) -> watch::Receiver<Head> {
        self.store.head_watch()
    }

    /// Removes the journal's entries up to and with `up_to`. Consumers that are behind start again
    /// from a snapshot. Blocks. Gives the trimmed id.
    ///
    /// # Errors
    /// The catalogue cannot be written.
    pub fn trim_journal(
        &self,
        up_to: journal::JournalId,
    ) -> Result<journal::JournalId, crate::StoreError> {
        self.store.trim_journal(up_to)
    }

    /// Stops scans, finishes the commands that run, and lets go of the data directory. Blocks.
    pub fn close(&self) {
        self.closing.cancel();
        self.scans.stop_all();
        self.runners.close();
        self.store.close();
    }
}
