//! Rescanning by period: how changes behind Tidemark's back are seen where nothing watches, and a
//! net below what is watched ([`crate::watch`]).
//!
//! One thread goes over all active local mounts, one after the other. Each is due again an
//! interval after its last scan ended (a longer one while all of it is watched, which is asked
//! anew every time), and never sooner than ten times as long as that scan took:
//! a tree so large that scanning it takes a minute does not keep the disk busy more than a tenth
//! of the time. A mount that is added is seen at the next round.
//!
//! A scan that fails is tried again when it is due. It is logged once when a mount's scans begin
//! to fail and once when they are well again, and not each time.

use crate::scan::{self, ScanError, ScanOptions, ScanReport, Scanner, Task, is_scannable};
use crate::watch::Watching;
use catalogue::mounts::{self, BackendKind, Mount};
use catalogue::{Catalogue, StoreError};
use journal::ReconcileReason;
use process::Stop;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How much longer a mount is left alone than its last scan took.
const REST: u32 = 10;

/// The first round leaves those who start with a scan of their own the time to ask for it: what they
/// then tell of it is all that there was to tell.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// How often mounts are rescanned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RescanOptions {
    /// From the end of a mount's scan to its next one, at least.
    pub interval: Duration,
    /// The same for a mount of which every directory is watched.
    pub watched_interval: Duration,
}

impl Default for RescanOptions {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(60),
            watched_interval: Duration::from_secs(600),
        }
    }
}

/// The thread that rescans. It stops, and stops the scan it runs, when this is dropped or the
/// filestore is closed.
#[derive(Debug)]
pub struct Rescan {
    cancel: CancellationToken,
    _task: process::Task,
}

impl Rescan {
    pub(crate) fn of(
        catalogue: Arc<Catalogue>,
        scanner: Arc<Scanner>,
        watching: Arc<Watching>,
        closing: &CancellationToken,
        options: RescanOptions,
    ) -> std::io::Result<Self> {
        let cancel = closing.child_token();
        let round = Round {
            catalogue,
            scanner,
            watching,
            options,
            cancel: cancel.clone(),
            mounts: HashMap::new(),
        };
        let task = process::Task::spawn("filestore-rescan", move |stop| round.run(stop))?;
        Ok(Self {
            cancel,
            _task: task,
        })
    }
}

impl Drop for Rescan {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// What is known of a mount's scans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Turn {
    /// When the last scan ended; `None` before the first.
    ended: Option<Instant>,
    took: Duration,
    is_failing: bool,
}

impl Turn {
    const FIRST: Self = Self {
        ended: None,
        took: Duration::ZERO,
        is_failing: false,
    };

    fn due(&self, interval: Duration) -> Option<Instant> {
        let wait = interval.max(self.took.saturating_mul(REST));
        self.ended.map(|ended| ended + wait)
    }
}

struct Round {
    catalogue: Arc<Catalogue>,
    scanner: Arc<Scanner>,
    watching: Arc<Watching>,
    options: RescanOptions,
    cancel: CancellationToken,
    mounts: HashMap<i64, Turn>,
}

impl Round {
    fn run(mut self, stop: &Stop) {
        if stop.wait(FIRST_PAUSE.min(self.options.interval)) {
            return;
        }
        loop {
            let next = match self.scan_due() {
                Ok(next) => next,
                // Nothing can be read any more: the filestore is closed.
                Err(StoreError::Closed) => return,
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "mounts cannot be read"
                    );
                    self.options.interval
                }
            };
            if self.cancel.is_cancelled() || stop.wait(next) {
                return;
            }
        }
    }

    /// Scans what is due, and tells how long to wait.
    fn scan_due(&mut self) -> Result<Duration, StoreError> {
        let mounts = self.catalogue.read(mounts::all)?;
        let mounts: Vec<_> = mounts.iter().filter(|mount| is_scannable(mount)).collect();
        self.mounts
            .retain(|id, _| mounts.iter().any(|mount| mount.id == *id));
        // Looked at once an interval at least: what is watched may cease to be.
        let mut wait = self.options.interval;
        for mount in mounts {
            let turn = self.mounts.get(&mount.id).copied().unwrap_or(Turn::FIRST);
            let now = Instant::now();
            let due = turn.due(self.interval(mount));
            if let Some(due) = due.filter(|due| *due > now) {
                wait = wait.min(due - now);
            } else if !self.cancel.is_cancelled() {
                let options = ScanOptions {
                    cancel: self.cancel.clone(),
                    ..ScanOptions::default()
                };
                let task = Task::whole(scan::COMMAND, ReconcileReason::Audit);
                let result = self.scanner.scan_task(mount.id, &task, &options);
                let result = result.map(|(report, _)| report);
                let turn = after(turn, mount.id, &result, now.elapsed());
                self.mounts.insert(mount.id, turn);
            }
        }
        Ok(wait)
    }

    fn interval(&self, mount: &Mount) -> Duration {
        // Requests to a bucket are paid for.
        let is_bucket = mount.backend_kind == BackendKind::S3;
        if is_bucket || self.watching.status(mount).is_complete() {
            self.options.watched_interval
        } else {
            self.options.interval
        }
    }
}

/// The mount's turn after a scan that took so long. Changes of state are logged here.
fn after(
    turn: Turn,
    mount_id: i64,
    result: &Result<ScanReport, ScanError>,
    took: Duration,
) -> Turn {
    let is_failing = match result {
        Ok(report) => {
            if turn.is_failing {
                tracing::info!(mount_id, "rescan works again");
            }
            if report.changes.total() > 0 {
                tracing::debug!(
                    mount_id,
                    changes = report.changes.total(),
                    "rescan found changes"
                );
            }
            false
        }
        Err(ScanError::Cancelled) => turn.is_failing,
        Err(error) => {
            if !turn.is_failing {
                let error = error as &dyn std::error::Error;
                tracing::warn!(
                    mount_id,
                    error,
                    "rescan fails, and is tried again when it is due"
                );
            }
            true
        }
    };
    Turn {
        ended: Some(Instant::now()),
        took,
        is_failing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_scan_is_left_alone_ten_times_as_long() {
        let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
        assert_eq!(Turn::FIRST.due(minute), None, "the first is due at once");
        let now = Instant::now();
        let failed = Err(ScanError::NoMount(1));
        let soon = after(Turn::FIRST, 1, &failed, second);
        let due = soon.due(minute).unwrap();
        assert!(soon.is_failing && due >= now + minute && due < now + 2 * minute);
        let late = after(soon, 1, &Err(ScanError::Cancelled), minute);
        assert!(late.is_failing, "a scan that was stopped says nothing");
        assert!(late.due(minute).unwrap() >= now + 10 * minute);
    }
}
