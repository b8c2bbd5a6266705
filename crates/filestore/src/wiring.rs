//! The filestore as a program holds it: the parts, each made with just what it needs.

#[cfg(test)]
mod tests;

use crate::command::{Commands, OnStep};
use crate::consumers::{Consumers, HoldOptions, JournalConsumer};
use crate::hashing::{Hasher, Hashing};
use crate::integrity;
use crate::metric;
use crate::mount::{MountError, Mounts};
use crate::mount_health::{HealthChecker, MountHealthChecks};
use crate::open_mount::Opener;
use crate::owners::Owners;
use crate::purge::{self, Purged};
use crate::reconcile::Reconciler;
use crate::rescan::{Rescan, RescanOptions};
use crate::retention::RetentionOptions;
use crate::scan::{ScanError, ScanJob, ScanOptions, ScanReport, Scanner};
use crate::watch::{Watch, WatchOptions, WatchStatus, Watching};
use backend::Buckets;
use catalogue::mounts::Mount;
use catalogue::{Catalogue, Head, OpenError, StoreError};
use httpkit::Integrity;
use journal::{Clock, JournalId, JournalReader, SystemClock};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What a filestore needs to know.
#[derive(Clone)]
pub struct Options {
    /// Its own directory, made if it is not there. One process at a time holds it.
    pub data_dir: PathBuf,
    /// The catalogue; `filestore.db` in the data directory if `None`.
    pub database_path: Option<PathBuf>,
    /// Where "now" comes from.
    pub clock: Arc<dyn Clock>,
    /// How far back the journal is held for consumers, and for which.
    pub hold: HoldOptions,
    /// Called at each step of each command: for tests that crash there.
    pub on_step: Option<OnStep>,
}

impl Options {
    /// Where the catalogue is.
    #[must_use]
    pub fn database_path(&self) -> PathBuf {
        let given = self.database_path.clone();
        given.unwrap_or_else(|| database_in(&self.data_dir))
    }

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

fn database_in(data_dir: &Path) -> PathBuf {
    data_dir.join("filestore.db")
}

/// A catalogue of files, the journal of what happens to them, and the commands that change them.
///
/// Only the wiring: each part knows those that it needs, and none of them knows this.
#[derive(Debug)]
pub struct Filestore {
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) opener: Arc<Opener>,
    pub(crate) mounts: Arc<Mounts>,
    pub(crate) scanner: Arc<Scanner>,
    pub(crate) reconciler: Arc<Reconciler>,
    pub(crate) commands: Arc<Commands>,
    pub(crate) hasher: Arc<Hasher>,
    pub(crate) health: Arc<HealthChecker>,
    pub(crate) consumers: Arc<Consumers>,
    pub(crate) watching: Arc<Watching>,
    pub(crate) data_dir: PathBuf,
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
        let database = database_path.unwrap_or_else(|| database_in(&data_dir));
        let catalogue = Arc::new(Catalogue::open(&data_dir, &database, clock)?);
        catalogue.set_names(Arc::new(Owners::default()));
        let filestore = Self::of(catalogue, data_dir, hold, on_step)
            .map_err(|error| OpenError::Recovery(Box::new(error)))?;
        Ok(Arc::new(filestore))
    }

    /// Puts the parts together, from the ground up, and takes up what was left half done.
    fn of(
        catalogue: Arc<Catalogue>,
        data_dir: PathBuf,
        hold: HoldOptions,
        on_step: Option<OnStep>,
    ) -> Result<Self, StoreError> {
        let store = || Arc::clone(&catalogue);
        let closing = CancellationToken::new();
        let buckets = Arc::new(Buckets::default());
        let opener = Arc::new(Opener::new(store(), &data_dir, Arc::clone(&buckets)));
        let mounts = Arc::new(Mounts::new(store(), buckets));
        let watching = Arc::new(Watching::default());
        let scanner = Arc::new(Scanner::new(
            store(),
            Arc::clone(&opener),
            Arc::clone(&watching) as _,
            data_dir.clone(),
        ));
        let reconciler = Arc::new(Reconciler::new(
            store(),
            Arc::clone(&opener),
            Arc::clone(&scanner),
            closing.clone(),
        ));
        let commands = Arc::new(Commands::new(
            store(),
            Arc::clone(&opener),
            Arc::clone(&reconciler),
            on_step,
        ));
        commands.recover()?;
        let consumers = Arc::new(Consumers::load(store(), hold)?);
        let hasher = Arc::new(Hasher::new(
            store(),
            Arc::clone(&opener),
            Arc::clone(&mounts),
            Arc::clone(&scanner),
            commands.running(),
            closing.clone(),
        ));
        let health = Arc::new(HealthChecker::new(
            store(),
            Arc::clone(&opener),
            closing.clone(),
        ));
        reconciler.resume_jobs()?;
        Ok(Self {
            catalogue,
            opener,
            mounts,
            scanner,
            reconciler,
            commands,
            hasher,
            health,
            consumers,
            watching,
            data_dir,
            closing,
        })
    }

    /// The journal, to be followed from this process.
    #[must_use]
    pub fn reader(&self) -> Arc<dyn JournalReader> {
        Arc::clone(&self.catalogue) as Arc<dyn JournalReader>
    }

    /// Tells every new head of the journal.
    #[must_use]
    pub fn head_watch(&self) -> watch::Receiver<Head> {
        self.catalogue.head_watch()
    }

    /// Reads everything in the catalogue and compares what is said twice. Blocks, for as long as
    /// reading the catalogue takes; nobody waits for it meanwhile.
    ///
    /// # Errors
    /// The catalogue cannot be opened. That it cannot be read is a finding.
    pub fn check_integrity(&self) -> Result<Integrity, StoreError> {
        integrity::check(&self.catalogue)
    }

    /// Whether it takes requests, for `/readyz`.
    ///
    /// # Errors
    /// The catalogue is not open.
    pub fn ready(&self) -> Result<(), String> {
        match self.catalogue.is_open() {
            true => Ok(()),
            false => Err("the catalogue is not open".to_owned()),
        }
    }

    /// Stops scans, finishes the commands that run, and lets go of the data directory. Blocks.
    pub fn close(&self) {
        self.closing.cancel();
        self.scanner.stop_all();
        self.reconciler.close();
        self.catalogue.close();
    }
}

/// Nodes that have been missing for long.
impl Filestore {
    /// Deletes the nodes of a mount that have been missing for so long; only counts them, if it is a
    /// dry run. Blocks.
    ///
    /// # Errors
    /// The catalogue cannot be read or written.
    pub fn purge_missing(
        &self,
        mount_id: i64,
        missing_for: Duration,
        principal: Option<&str>,
        is_dry_run: bool,
    ) -> Result<Purged, StoreError> {
        let before = purge::horizon(&self.catalogue, missing_for);
        purge::purge(&self.catalogue, mount_id, before, principal, is_dry_run)
    }

    /// Does that in all mounts every hour, until `stop`.
    pub async fn keep_purging(self: Arc<Self>, missing_for: Duration, stop: CancellationToken) {
        purge::keep_purging(Arc::clone(&self.catalogue), missing_for, stop).await;
    }
}

/// Mounts and their scans.
impl Filestore {
    /// The local mount with this root, made if there is none. Its key is derived from the
    /// directory's name. Blocks.
    ///
    /// # Errors
    /// The root is no directory that can be opened, or the catalogue cannot be written.
    pub fn ensure_local_mount(&self, root: &Path) -> Result<Mount, MountError> {
        self.mounts.ensure_local(root)
    }

    /// All mounts, by id. Blocks.
    ///
    /// # Errors
    /// The catalogue cannot be read.
    pub fn mounts(&self) -> Result<Vec<Mount>, StoreError> {
        self.mounts.all()
    }

    /// The mount of this id. Blocks.
    ///
    /// # Errors
    /// The catalogue cannot be read.
    pub fn mount(&self, id: i64) -> Result<Option<Mount>, StoreError> {
        self.mounts.by_id(id)
    }

    /// How this mount is watched.
    #[must_use]
    pub fn watch_status(&self, mount: &Mount) -> WatchStatus {
        self.watching.status(mount)
    }

    /// Scans a mount in the calling thread: afterwards its nodes are what the disk holds. If the
    /// mount is being scanned already, this waits, and then scans again. Blocks.
    ///
    /// # Errors
    /// As [`ScanError`] says. Whatever was written until then is right and stays.
    pub fn scan(&self, mount_id: i64, options: &ScanOptions) -> Result<ScanReport, ScanError> {
        self.scanner.scan(mount_id, options)
    }

    /// Starts a scan on a thread of its own, or joins the one that runs: then the options are that
    /// one's. Closing the filestore stops it. Blocks for a moment.
    ///
    /// # Errors
    /// The mount cannot be scanned at all.
    pub fn start_scan(&self, mount_id: i64, options: ScanOptions) -> Result<ScanJob, ScanError> {
        self.scanner.start_scan(mount_id, options)
    }

    /// The scan job of this id; the last hundred that ended are remembered.
    #[must_use]
    pub fn scan_job(&self, id: &str) -> Option<ScanJob> {
        self.scanner.scan_job(id)
    }

    /// Asks a scan job to stop, and tells how it is.
    #[must_use]
    pub fn cancel_scan(&self, id: &str) -> Option<ScanJob> {
        self.scanner.cancel_scan(id)
    }
}

/// The journal's consumers, and how long it is kept for them.
impl Filestore {
    /// Removes the journal's entries up to and with `up_to`. Consumers that are behind start again
    /// from a snapshot. Blocks. Gives the trimmed id.
    ///
    /// # Errors
    /// The catalogue cannot be written.
    pub fn trim_journal(&self, up_to: JournalId) -> Result<JournalId, StoreError> {
        self.catalogue.trim_journal(up_to)
    }

    /// Keeps the journal for a consumer of this process, which tells on every call after which
    /// entry it needs the journal.
    pub fn hold_journal_for(
        &self,
        name: &str,
        after: impl Fn() -> JournalId + Send + Sync + 'static,
    ) {
        self.consumers.hold_journal_for(name, after);
    }

    /// The consumers that are known, by name. Those not seen for too long are forgotten.
    #[must_use]
    pub fn journal_consumers(&self, options: HoldOptions) -> Vec<JournalConsumer> {
        self.consumers.known(options)
    }

    /// Forgets a consumer elsewhere; whether it was known. If it reads again it is known again.
    /// Blocks.
    ///
    /// # Errors
    /// The catalogue cannot be written.
    pub fn forget_journal_consumer(&self, name: &str) -> Result<bool, StoreError> {
        self.consumers.forget(name)
    }

    /// The last entry that no consumer needs any more, as far as the journal is held for them.
    #[must_use]
    pub fn needed_by_none(&self, options: HoldOptions) -> JournalId {
        self.consumers.needed_by_none(options)
    }

    /// Removes entries up to and with `up_to`, but none that a consumer still needs. Blocks. Gives
    /// the trimmed id.
    ///
    /// # Errors
    /// The catalogue cannot be written.
    pub fn trim_applied(
        &self,
        up_to: JournalId,
        options: HoldOptions,
    ) -> Result<JournalId, StoreError> {
        self.consumers.trim_applied(up_to, options)
    }

    /// Trims the journal by age once, not past `applied` nor past what a known consumer needs.
    /// Blocks. Gives the trimmed id.
    ///
    /// # Errors
    /// The catalogue cannot be read or written.
    pub fn retain(
        &self,
        options: RetentionOptions,
        applied: JournalId,
    ) -> Result<JournalId, StoreError> {
        self.consumers.retain(options, applied)
    }

    /// Trims the journal by age every minute until `stop`, behind the consumers that are known.
    pub async fn keep_retaining(
        self: Arc<Self>,
        options: RetentionOptions,
        stop: CancellationToken,
    ) {
        let consumers = Arc::clone(&self.consumers);
        consumers.keep_retaining(options, stop).await;
    }
}

impl Watch {
    /// Starts to watch: from now on every scan watches what it lists.
    ///
    /// # Errors
    /// The system gives this user no more inotify instances, or no threads; or the mounts cannot be
    /// read.
    pub fn start(filestore: Arc<Filestore>, options: WatchOptions) -> std::io::Result<Self> {
        Self::of(
            Arc::clone(&filestore.catalogue),
            Arc::clone(&filestore.scanner),
            Arc::clone(&filestore.watching),
            &filestore.closing,
            options,
        )
    }
}

impl Rescan {
    /// Starts to rescan; the first scans are due at once.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(filestore: Arc<Filestore>, options: RescanOptions) -> std::io::Result<Self> {
        Self::of(
            Arc::clone(&filestore.catalogue),
            Arc::clone(&filestore.scanner),
            Arc::clone(&filestore.watching),
            &filestore.closing,
            options,
        )
    }
}

impl Hashing {
    /// Starts to hash what mounts ask for, now and later.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(filestore: Arc<Filestore>) -> std::io::Result<Self> {
        Self::of(Arc::clone(&filestore.hasher))
    }
}

impl MountHealthChecks {
    /// Looks at every active mount this often, and at new ones at once. The thread also publishes
    /// the gauges of the mounts, with those of `directories` directories in each root at most.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(
        filestore: Arc<Filestore>,
        interval: Duration,
        directories: usize,
    ) -> std::io::Result<Self> {
        Self::of(Arc::clone(&filestore.health), interval, directories)
    }
}
