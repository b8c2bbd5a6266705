//! How scans are asked for.

use super::{Aside, Scan, ScanError, ScanJob, ScanOptions, ScanReport, Task, job::Turn};
use crate::Filestore;
use crate::store::mount::{self, BackendKind};
use std::sync::Arc;

impl Filestore {
    /// Scans a mount in the calling thread: afterwards its nodes are what the disk holds. If the
    /// mount is being scanned already, this waits, and then scans again. Blocks.
    ///
    /// # Errors
    /// As [`ScanError`] says. Whatever was written until then is right and stays.
    pub fn scan(&self, mount_id: i64, options: &ScanOptions) -> Result<ScanReport, ScanError> {
        let task = Task::asked();
        self.scan_task(mount_id, &task, options)
            .map(|(report, _)| report)
    }

    /// Does what the task says when its turn has come. Whatever a mount's bytes lie in, whoever
    /// wants nodes compared with them asks here. Blocks.
    pub(crate) fn scan_task(
        &self,
        mount_id: i64,
        task: &Task,
        options: &ScanOptions,
    ) -> Result<(ScanReport, Aside), ScanError> {
        let turn = self.scans.wait_for_turn(mount_id, task.is_whole(), options);
        self.scan_in_turn(turn, mount_id, task, options)
    }

    /// Starts a scan on a thread of its own, or joins the one that runs: then the options are that
    /// one's. Closing the filestore stops it. Blocks for a moment.
    ///
    /// # Errors
    /// The mount cannot be scanned at all.
    pub fn start_scan(
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
        let filestore = Arc::clone(self);
        std::thread::Builder::new()
            .name(format!("scan-{mount_id}"))
            .spawn(move || {
                turn.wait();
                let task = Task::asked();
                if let Err(error) = filestore.scan_in_turn(turn, mount_id, &task, &options) {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(mount_id, error, "scan failed");
                }
            })
            .map_err(ScanError::Thread)?;
        Ok(job)
    }

    /// The scan job of this id; the last hundred that ended are remembered.
    #[must_use]
    pub fn scan_job(&self, id: &str) -> Option<ScanJob> {
        self.scans.job(id)
    }

    /// Asks a scan job to stop, and tells how it is.
    #[must_use]
    pub fn cancel_scan(&self, id: &str) -> Option<ScanJob> {
        self.scans.cancel(id)
    }

    fn scan_in_turn(
        &self,
        turn: Turn,
        mount_id: i64,
        task: &Task,
        options: &ScanOptions,
    ) -> Result<(ScanReport, Aside), ScanError> {
        let scan = || {
            let mount = self.scannable(mount_id)?;
            let hidden = std::slice::from_ref(&self.data_dir);
            let is_whole = task.is_whole();
            // Nothing can be watched in a bucket.
            let is_local = mount.backend_kind == BackendKind::Local;
            let watches = self.watches.lock().clone().filter(|_| is_local);
            let entrance = watches.map(|watches| watches.entrance(mount_id, is_whole));
            let tree = super::open_tree(&mount, &self.buckets)?;
            let mut scan = Scan::of(&self.store, &mount, tree, hidden, options)?;
            scan.task = task.clone();
            scan.is_fresh &= is_whole;
            scan.walk_options.entrance.clone_from(&entrance);
            let scanned = scan.run()?;
            if let Some(entrance) = entrance {
                entrance.through(is_whole);
            }
            Ok(scanned)
        };
        let (report, aside) = match scan() {
            Ok((report, aside)) => (Ok(report), aside),
            Err(error) => (Err(error), Aside::default()),
        };
        super::metrics::count(&report, task.is_whole());
        turn.end(&report);
        report.map(|report| (report, aside))
    }

    fn scannable(&self, mount_id: i64) -> Result<crate::Mount, ScanError> {
        let mount = self
            .store
            .read(|connection| mount::by_id(connection, mount_id))?;
        let mount = mount.ok_or(ScanError::NoMount(mount_id))?;
        super::check(&mount)?;
        Ok(mount)
    }
}
