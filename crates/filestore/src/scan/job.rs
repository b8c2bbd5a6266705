//! Scans as jobs: one at a time a mount, each with an id to ask for.
//!
//! A second request for a mount joins the whole scan that runs or waits. Scans of parts take their
//! turn like any other, and are nobody's job. Jobs live in memory: a scan that was cut
//! off by the end of the process is simply run again, so there is nothing worth keeping.

use super::{ScanCounts, ScanError, ScanOptions, ScanProgress, ScanReport};
use parking_lot::{Condvar, Mutex};
use process::Chain;
use serde::Serialize;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Ended jobs that are remembered.
const REMEMBERED: usize = 100;

/// How a scan job is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ScanJobStatus {
    /// It runs.
    Running,
    /// It ended well.
    Succeeded,
    /// It ended by an error.
    Failed,
    /// It was stopped.
    Cancelled,
}

/// A scan job as it is now.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScanJob {
    /// Its id.
    pub id: String,
    /// The mount it scans.
    pub backend_mount_id: i64,
    /// How it is doing.
    pub status: ScanJobStatus,
    /// How far it is.
    pub progress: ScanCounts,
    /// What it found and did, once it has succeeded.
    pub report: Option<ScanReport>,
    /// Why it failed.
    pub error: Option<String>,
}

#[derive(Debug)]
struct Job {
    id: String,
    mount_id: i64,
    /// It is about a whole mount.
    is_whole: bool,
    progress: Arc<ScanProgress>,
    cancel: CancellationToken,
    outcome: Mutex<Option<Outcome>>,
}

#[derive(Debug)]
struct Outcome {
    status: ScanJobStatus,
    report: Option<ScanReport>,
    error: Option<String>,
}

/// The scans of one filestore.
#[derive(Debug, Default)]
pub(crate) struct Scans {
    jobs: Mutex<VecDeque<Arc<Job>>>,
    ended: Condvar,
}

/// The right to scan a mount; the job is over when it goes.
#[derive(Debug)]
pub(crate) struct Turn {
    scans: Arc<Scans>,
    job: Arc<Job>,
}

impl Scans {
    /// Queues a whole scan that counts in `options`, or gives the one that runs or waits.
    pub(crate) fn start(
        self: &Arc<Self>,
        mount_id: i64,
        options: &ScanOptions,
    ) -> Result<Turn, Box<ScanJob>> {
        let mut jobs = self.jobs.lock();
        match jobs
            .iter()
            .find(|job| job.mount_id == mount_id && job.is_whole && !job.is_ended())
        {
            Some(there) => Err(Box::new(there.view())),
            None => Ok(self.queue(&mut jobs, mount_id, true, options)),
        }
    }

    /// Queues a scan and waits for its turn.
    pub(crate) fn wait_for_turn(
        self: &Arc<Self>,
        mount_id: i64,
        is_whole: bool,
        options: &ScanOptions,
    ) -> Turn {
        let turn = self.queue(&mut self.jobs.lock(), mount_id, is_whole, options);
        turn.wait();
        turn
    }

    fn queue(
        self: &Arc<Self>,
        jobs: &mut VecDeque<Arc<Job>>,
        mount_id: i64,
        is_whole: bool,
        options: &ScanOptions,
    ) -> Turn {
        let job = Arc::new(Job {
            id: uuid::Uuid::now_v7().to_string(),
            mount_id,
            is_whole,
            progress: Arc::clone(&options.progress),
            cancel: options.cancel.clone(),
            outcome: Mutex::default(),
        });
        if jobs.len() >= REMEMBERED
            && let Some(oldest) = jobs.iter().position(|job| job.is_ended())
        {
            jobs.remove(oldest);
        }
        jobs.push_back(Arc::clone(&job));
        Turn {
            scans: Arc::clone(self),
            job,
        }
    }

    /// The job of this id.
    pub(crate) fn job(&self, id: &str) -> Option<ScanJob> {
        self.jobs
            .lock()
            .iter()
            .find(|job| job.id == id)
            .map(|job| job.view())
    }

    /// Whether a whole scan of the mount runs or waits.
    pub(crate) fn is_scanning(&self, mount_id: i64) -> bool {
        let jobs = self.jobs.lock();
        jobs.iter()
            .any(|job| job.mount_id == mount_id && job.is_whole && !job.is_ended())
    }

    /// Asks a job to stop, and tells how it is.
    pub(crate) fn cancel(&self, id: &str) -> Option<ScanJob> {
        let jobs = self.jobs.lock();
        let job = jobs.iter().find(|job| job.id == id)?;
        job.cancel.cancel();
        Some(job.view())
    }

    /// Asks all that run to stop, and waits until they have.
    pub(crate) fn stop_all(&self) {
        let mut jobs = self.jobs.lock();
        while jobs.iter().any(|job| !job.is_ended()) {
            jobs.iter().for_each(|job| job.cancel.cancel());
            self.ended.wait(&mut jobs);
        }
    }
}

impl Job {
    fn is_ended(&self) -> bool {
        self.outcome.lock().is_some()
    }

    fn view(&self) -> ScanJob {
        let outcome = self.outcome.lock();
        let outcome = outcome.as_ref();
        ScanJob {
            id: self.id.clone(),
            backend_mount_id: self.mount_id,
            status: outcome.map_or(ScanJobStatus::Running, |outcome| outcome.status),
            progress: self.progress.counts(),
            report: outcome.and_then(|outcome| outcome.report.clone()),
            error: outcome.and_then(|outcome| outcome.error.clone()),
        }
    }
}

impl Turn {
    /// Waits until all earlier scans of the mount have ended.
    pub(crate) fn wait(&self) {
        let mut jobs = self.scans.jobs.lock();
        let is_next = |jobs: &VecDeque<Arc<Job>>| {
            let mut waiting = jobs.iter().filter(|job| !job.is_ended());
            let first = waiting.find(|job| job.mount_id == self.job.mount_id);
            first.is_none_or(|first| Arc::ptr_eq(first, &self.job))
        };
        while !is_next(&jobs) {
            self.scans.ended.wait(&mut jobs);
        }
    }

    /// The job as it is now.
    pub(crate) fn view(&self) -> ScanJob {
        self.job.view()
    }

    /// Ends the job.
    pub(crate) fn end(self, result: &Result<ScanReport, ScanError>) {
        let outcome = match result {
            Ok(report) => Outcome {
                status: ScanJobStatus::Succeeded,
                report: Some(report.clone()),
                error: None,
            },
            Err(ScanError::Cancelled) => Outcome {
                status: ScanJobStatus::Cancelled,
                report: None,
                error: None,
            },
            Err(error) => Outcome {
                status: ScanJobStatus::Failed,
                report: None,
                error: Some(Chain(error).to_string()),
            },
        };
        *self.job.outcome.lock() = Some(outcome);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let error = Some("the scan was cut off".to_owned());
        self.job.outcome.lock().get_or_insert(Outcome {
            status: ScanJobStatus::Failed,
            report: None,
            error,
        });
        // Under the lock, so that nobody looks before and waits after.
        let mut jobs = self.scans.jobs.lock();
        if !self.job.is_whole {
            jobs.retain(|job| !Arc::ptr_eq(job, &self.job));
        }
        self.scans.ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_has_one_scan_at_a_time_and_others_join_it() {
        let scans = Arc::new(Scans::default());
        let options = ScanOptions::default();
        let turn = scans.start(1, &options).unwrap();
        let joined = scans.start(1, &ScanOptions::default()).unwrap_err();
        assert_eq!(
            (joined.id, joined.status),
            (turn.view().id, ScanJobStatus::Running)
        );
        let other = scans.start(2, &ScanOptions::default()).unwrap();
        assert!(scans.cancel(&turn.view().id).is_some() && options.cancel.is_cancelled());
        let id = turn.view().id;
        turn.end(&Err(ScanError::Cancelled));
        assert_eq!(scans.job(&id).unwrap().status, ScanJobStatus::Cancelled);
        assert_ne!(
            scans.start(1, &ScanOptions::default()).unwrap().view().id,
            id
        );
        drop(other);
    }

    #[test]
    fn a_scan_waits_for_the_mounts_turn_and_a_panic_gives_it_back() {
        let scans = Arc::new(Scans::default());
        let turn = scans.start(1, &ScanOptions::default()).unwrap();
        let id = turn.view().id;
        std::thread::scope(|scope| {
            let scans = &scans;
            let options = ScanOptions::default();
            let waiting = scope.spawn(move || scans.wait_for_turn(1, true, &options).view());
            drop(turn);
            assert_ne!(waiting.join().unwrap().id, id);
        });
        assert_eq!(
            scans.job(&id).unwrap().error.as_deref(),
            Some("the scan was cut off")
        );
        scans.stop_all();
    }

    #[test]
    fn nobody_joins_a_scan_of_parts_and_scans_take_turns_in_their_order() {
        let scans = Arc::new(Scans::default());
        let part = scans.wait_for_turn(1, false, &ScanOptions::default());
        let whole = scans.start(1, &ScanOptions::default()).unwrap();
        assert_ne!(whole.view().id, part.view().id);
        assert_eq!(whole.view().status, ScanJobStatus::Running);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| whole.wait());
            assert!(!waiting.is_finished());
            let id = part.view().id;
            part.end(&Err(ScanError::Cancelled));
            waiting.join().unwrap();
            assert!(scans.job(&id).is_none(), "parts are not remembered");
        });
    }

    #[test]
    fn only_the_last_ended_jobs_are_remembered() {
        let scans = Arc::new(Scans::default());
        let running = scans.start(0, &ScanOptions::default()).unwrap();
        let ids: Vec<_> = (1..=i64::try_from(REMEMBERED).unwrap() + 5)
            .map(|mount| {
                scans
                    .start(mount, &ScanOptions::default())
                    .unwrap()
                    .view()
                    .id
            })
            .collect();
        assert_eq!(scans.jobs.lock().len(), REMEMBERED);
        assert!(
            scans.job(&running.view().id).is_some(),
            "one that runs is never forgotten"
        );
        assert!(scans.job(&ids[0]).is_none() && scans.job(ids.last().unwrap()).is_some());
    }
}
