//! How scans are asked for.

use super::job::{Scans, Turn};
use super::renames::Renames;
use super::{Leftover, Scan, ScanError, ScanJob, ScanOptions, ScanReport, Task};
use crate::open_mount::{OpenError, Opener};
use backend::Backend;
use backend::walk::Entrance;
use catalogue::Catalogue;
use catalogue::mounts::{self, BackendKind, Mount};
use std::path::PathBuf;
use std::sync::Arc;

/// Who wants to see the directories that scans are about to list.
pub(crate) trait Entrances: std::fmt::Debug + Send + Sync {
    /// Where a scan of this mount shows them, if anybody watches.
    fn entrance(&self, mount_id: i64, is_whole: bool) -> Option<Arc<dyn Entrance>>;
}

/// The scans of one filestore: whatever a mount's bytes lie in, whoever wants nodes compared with
/// them asks here.
#[derive(Debug)]
pub(crate) struct Scanner {
    catalogue: Arc<Catalogue>,
    opener: Arc<Opener>,
    entrances: Arc<dyn Entrances>,
    /// Scans treat it as if it were not there.
    data_dir: PathBuf,
    scans: Arc<Scans>,
}

impl Scanner {
    pub(crate) fn new(
        catalogue: Arc<Catalogue>,
        opener: Arc<Opener>,
        entrances: Arc<dyn Entrances>,
        data_dir: PathBuf,
    ) -> Self {
        Self {
            catalogue,
            opener,
            entrances,
            data_dir,
            scans: Arc::default(),
        }
    }

    /// Scans a mount in the calling thread: afterwards its nodes are what the disk holds. If the
    /// mount is being scanned already, this waits, and then scans again. Blocks.
    ///
    /// # Errors
    /// As [`ScanError`] says. Whatever was written until then is right and stays.
    pub(crate) fn scan(
        &self,
        mount_id: i64,
        options: &ScanOptions,
    ) -> Result<ScanReport, ScanError> {
        let task = Task::asked();
        self.scan_task(mount_id, &task, options)
            .map(|(report, _)| report)
    }

    /// Does what the task says when its turn has come. Blocks.
    pub(crate) fn scan_task(
        &self,
        mount_id: i64,
        task: &Task,
        options: &ScanOptions,
    ) -> Result<(ScanReport, Leftover), ScanError> {
        let turn = self.scans.wait_for_turn(mount_id, task.is_whole(), options);
        self.scan_in_turn(turn, mount_id, task, options)
    }

    /// Starts a scan on a thread of its own, or joins the one that runs: then the options are that
    /// one's. Closing the filestore stops it. Blocks for a moment.
    ///
    /// # Errors
    /// The mount cannot be scanned at all.
    pub(crate) fn start_scan(
        self: &Arc<Self>,
        mount_id: i64,
        options: ScanOptions,
    ) -> Result<ScanJob, ScanError> {
        self.scannable(mount_id)?;
        let turn = match self.scans.start(mount_id, &options) {
            Ok(turn) => turn,
            Err(running) => return Ok(*running),
        };
        let job = turn.view();
        let scanner = Arc::clone(self);
        std::thread::Builder::new()
            .name(format!("scan-{mount_id}"))
            .spawn(move || {
                turn.wait();
                let task = Task::asked();
                if let Err(error) = scanner.scan_in_turn(turn, mount_id, &task, &options) {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(mount_id, error, "scan failed");
                }
            })
            .map_err(ScanError::Thread)?;
        Ok(job)
    }

    /// The scan job of this id; the last hundred that ended are remembered.
    pub(crate) fn scan_job(&self, id: &str) -> Option<ScanJob> {
        self.scans.job(id)
    }

    /// Asks a scan job to stop, and tells how it is.
    pub(crate) fn cancel_scan(&self, id: &str) -> Option<ScanJob> {
        self.scans.cancel(id)
    }

    /// As if a whole scan of the mount ran, until the turn goes.
    #[cfg(test)]
    pub(crate) fn hold(&self, mount_id: i64) -> Turn {
        let turn = self.scans.start(mount_id, &ScanOptions::default());
        turn.unwrap_or_else(|running| panic!("{running:?} runs"))
    }

    /// Whether a whole scan of the mount runs or waits.
    pub(crate) fn is_scanning(&self, mount_id: i64) -> bool {
        self.scans.is_scanning(mount_id)
    }

    /// Asks all scans to stop, and waits until they have. Blocks.
    pub(crate) fn stop_all(&self) {
        self.scans.stop_all();
    }

    fn scan_in_turn(
        &self,
        turn: Turn,
        mount_id: i64,
        task: &Task,
        options: &ScanOptions,
    ) -> Result<(ScanReport, Leftover), ScanError> {
        let scan = || {
            let mount = self.scannable(mount_id)?;
            let hidden = std::slice::from_ref(&self.data_dir);
            let is_whole = task.is_whole();
            // Nothing can be watched in a bucket.
            let is_local = mount.backend_kind == BackendKind::Local;
            let entrances = is_local.then_some(&self.entrances);
            let entrance = entrances.and_then(|entrances| entrances.entrance(mount_id, is_whole));
            let backend = self.open(&mount)?;
            let mut scan = Scan::of(&self.catalogue, &mount, backend, hidden, options)?;
            scan.task = task.clone();
            scan.renames = Arc::new(Renames::of(&self.catalogue, mount_id, &task.renames)?);
            scan.is_fresh &= is_whole;
            scan.walk_options.entrance.clone_from(&entrance);
            let scanned = scan.run()?;
            if is_whole {
                super::metrics::scanned(&mount.mount_key, self.catalogue.clock().now());
            }
            if let Some(entrance) = entrance {
                entrance.through(is_whole);
            }
            Ok(scanned)
        };
        let (report, leftover) = match scan() {
            Ok((report, leftover)) => (Ok(report), leftover),
            Err(error) => (Err(error), Leftover::default()),
        };
        super::metrics::count(&report, task.is_whole());
        turn.end(&report);
        report.map(|report| (report, leftover))
    }

    /// Opens what the mount's nodes are compared with. It must answer.
    fn open(&self, mount: &Mount) -> Result<Arc<dyn Backend>, ScanError> {
        let opened = self.opener.open(mount.clone()).and_then(|open| {
            open.backend.probe().map_err(OpenError::from)?;
            Ok(open.backend)
        });
        opened.map_err(|error| ScanError::unopened(mount, error))
    }

    fn scannable(&self, mount_id: i64) -> Result<Mount, ScanError> {
        let mount = self
            .catalogue
            .read(|connection| mounts::by_id(connection, mount_id))?;
        let mount = mount.ok_or(ScanError::NoMount(mount_id))?;
        super::check(&mount)?;
        Ok(mount)
    }
}
