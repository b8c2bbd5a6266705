//! Reconciliation jobs: nodes compared with the disk because somebody asked.
//!
//! ```text
//! REST, commands that met a drift ─▶ queue (catalogue) ─▶ runner ─▶ scan of a part ─▶ hashes
//! ```
//!
//! A job is a row and its journal entries: `queued`, `started`, and `completed`, `failed` or
//! `cancelled`. While one waits, another of the same mount and path is the same job, which then does
//! what either asked. A job that was cut off by the end of the process waits again at the next
//! start, with a higher `attempt`, until it has been begun too often.
//!
//! Jobs of one mount run one after the other, those of different mounts side by side. A runner is a
//! thread that ends when nothing waits.
//!
//! What a job does to nodes is a scan of a part ([`crate::scan`]), with the job's reason. A known
//! file that was changed in place is `reconciled` there, and not `updated`; so is the node that was
//! asked about if it agrees, so that whoever waits for it is told. A hash that was asked for is a
//! fact of its own: `reconciled` again, with the `contentHash`.

mod run;

use crate::open_mount::Opener;
use crate::scan::Scanner;
use ::node::{NodePath, PathError};
use catalogue::jobs::{self, Job};
use catalogue::{Catalogue, Cause, StoreError, Verb, WriteTx, nodes};
use journal::{
    ConsistencyState, DriftDetected, JobStatus, JournalId, NodeState, ReconcileReason, Text, Time,
};
use parking_lot::{Condvar, Mutex};
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The command's name in the journal.
pub(crate) const COMMAND: &str = "reconcile";

/// Jobs that run side by side.
const RUNNERS: usize = 2;

/// Jobs that wait, at most.
const WAITING: i64 = 10_000;

/// How often a job is begun, at most.
const ATTEMPTS: i64 = 5;

/// What is to be compared.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) mount_id: i64,
    pub(crate) path: NodePath,
    pub(crate) node_id: Option<i64>,
    pub(crate) reason: ReconcileReason,
    pub(crate) detect_children: bool,
    pub(crate) requested_hash: bool,
}

/// The reconciliation of one filestore.
#[derive(Debug)]
pub(crate) struct Reconciler {
    catalogue: Arc<Catalogue>,
    opener: Arc<Opener>,
    scanner: Arc<Scanner>,
    /// Cancelled when the filestore closes.
    closing: CancellationToken,
    runners: Runners,
}

/// The threads that run jobs.
#[derive(Debug, Default)]
struct Runners {
    state: Mutex<State>,
    ended: Condvar,
}

/// Why a job was not queued.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReconcileError {
    #[error("{0} reconciliation jobs wait already")]
    TooManyJobs(i64),
    #[error("no command can name the path")]
    Path(#[from] PathError),
    #[error(transparent)]
    Catalogue(#[from] StoreError),
}

#[derive(Debug, Default)]
struct State {
    active: usize,
    is_closed: bool,
    /// Of the jobs that run.
    cancels: HashMap<i64, CancellationToken>,
}

impl Reconciler {
    pub(crate) fn new(
        catalogue: Arc<Catalogue>,
        opener: Arc<Opener>,
        scanner: Arc<Scanner>,
        closing: CancellationToken,
    ) -> Self {
        Self {
            catalogue,
            opener,
            scanner,
            closing,
            runners: Runners::default(),
        }
    }

    /// Queues a job, or adds to the one that waits for the same.
    ///
    /// # Errors
    /// Too many wait ([`ReconcileError::TooManyJobs`]), or the catalogue cannot be written.
    pub(crate) fn enqueue(self: &Arc<Self>, ask: Ask) -> Result<Job, ReconcileError> {
        let job = self.catalogue.write(move |tx| queue(tx, &ask))?;
        self.run_jobs();
        Ok(job)
    }

    /// Stops a job: one that waits at once, one that runs as soon as it looks up.
    pub(crate) fn cancel_job(&self, id: i64) -> Result<Option<Job>, ReconcileError> {
        if let Some(cancel) = self.runners.state.lock().cancels.get(&id) {
            cancel.cancel();
        }
        self.catalogue.write(move |tx| {
            let Some(mut job) = jobs::by_id(tx, id)? else {
                return Ok(None);
            };
            if job.status == JobStatus::Queued {
                job.status = JobStatus::Cancelled;
                job.completed_at = Some(tx.now());
                jobs::put(tx, &mut job)?;
            }
            Ok(Some(job))
        })
    }

    /// A command met a file that is not as its node says: the node is `inconsistent` until a job,
    /// which is queued with it, has set it right.
    pub(crate) fn drifted(self: &Arc<Self>, mount_id: i64, path: &str, reporter: &str) {
        let (path, by) = (path.to_owned(), reporter.to_owned());
        let marked = self
            .catalogue
            .write(move |tx| mark(tx, mount_id, &path, &by));
        match marked {
            Ok(()) => self.run_jobs(),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(mount_id, error, "drift cannot be journalled");
            }
        }
    }

    /// Puts jobs that an earlier run left behind into the queue again.
    pub(crate) fn resume_jobs(self: &Arc<Self>) -> Result<(), StoreError> {
        let (running, waiting) = self.catalogue.read(|connection| {
            Ok::<_, StoreError>((jobs::running(connection)?, jobs::next(connection)?))
        })?;
        if running.is_empty() && waiting.is_none() {
            return Ok(());
        }
        self.catalogue.write(move |tx| {
            for mut job in running {
                if job.attempt < ATTEMPTS {
                    job.status = JobStatus::Queued;
                    job.attempt += 1;
                    job.started_at = None;
                } else {
                    let message = "the process ended each time it was begun";
                    job.status = JobStatus::Failed;
                    job.completed_at = Some(tx.now());
                    job.error = Some(run::error(message, "INTERRUPTED")?);
                }
                jobs::put(tx, &mut job)?;
            }
            Ok::<_, StoreError>(())
        })?;
        self.run_jobs();
        Ok(())
    }

    /// Stops all runners; what they were at waits for the next start. Blocks.
    pub(crate) fn close(&self) {
        let mut state = self.runners.state.lock();
        state.is_closed = true;
        while state.active > 0 {
            state.cancels.values().for_each(CancellationToken::cancel);
            self.runners.ended.wait(&mut state);
        }
    }

    /// Sees to it that somebody runs what waits.
    fn run_jobs(self: &Arc<Self>) {
        let mut state = self.runners.state.lock();
        if state.is_closed || state.active >= RUNNERS {
            return;
        }
        let reconciler = Arc::clone(self);
        let spawned = std::thread::Builder::new()
            .name("filestore-reconcile".to_owned())
            .spawn(move || reconciler.run_queue());
        match spawned {
            Ok(_) => state.active += 1,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "no thread for reconciliation jobs, they wait");
            }
        }
    }

    /// One runner.
    fn run_queue(&self) {
        loop {
            let mut state = self.runners.state.lock();
            let claimed = if state.is_closed || self.closing.is_cancelled() {
                Ok(None)
            } else {
                self.catalogue.write(claim)
            };
            let job = match claimed {
                Ok(Some(job)) => job,
                nothing => {
                    if let Err(error) = nothing {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(error, "no reconciliation job can be taken");
                    }
                    state.active -= 1;
                    self.runners.ended.notify_all();
                    return;
                }
            };
            let cancel = self.closing.child_token();
            state.cancels.insert(job.id, cancel.clone());
            drop(state);
            let id = job.id;
            self.run_job(job, &cancel);
            self.runners.state.lock().cancels.remove(&id);
        }
    }
}

fn queue(tx: &mut WriteTx<'_>, ask: &Ask) -> Result<Job, ReconcileError> {
    let key = format!("reconcile:{}:{}", ask.mount_id, ask.path);
    if let Some(mut job) = jobs::waiting(tx, &key)? {
        let is_more = ask.detect_children && !job.detect_children
            || ask.requested_hash && !job.requested_hash;
        if is_more {
            job.detect_children |= ask.detect_children;
            job.requested_hash |= ask.requested_hash;
            jobs::put(tx, &mut job)?;
        }
        return Ok(job);
    }
    if jobs::count_waiting(tx)? >= WAITING {
        return Err(ReconcileError::TooManyJobs(WAITING));
    }
    let mut job = Job {
        id: 0,
        job_key: key,
        backend_mount_id: ask.mount_id,
        node_id: ask.node_id,
        path: ask.path.to_string(),
        reason: ask.reason,
        status: JobStatus::Queued,
        detect_children: ask.detect_children,
        requested_hash: ask.requested_hash,
        attempt: 1,
        result: None,
        error: None,
        enqueued_at: tx.now(),
        started_at: None,
        completed_at: None,
        duration_ms: None,
        updated_at: Time::default(),
    };
    jobs::put(tx, &mut job)?;
    Ok(job)
}

fn claim(tx: &mut WriteTx<'_>) -> Result<Option<Job>, StoreError> {
    let Some(mut job) = jobs::next(tx)? else {
        return Ok(None);
    };
    job.status = JobStatus::Running;
    job.started_at = Some(tx.now());
    jobs::put(tx, &mut job)?;
    Ok(Some(job))
}

fn mark(
    tx: &mut WriteTx<'_>,
    mount_id: i64,
    path: &str,
    reporter: &str,
) -> Result<(), ReconcileError> {
    let Some(before) = nodes::at(tx, mount_id, path)? else {
        return Ok(());
    };
    if before.state == NodeState::Active {
        let metadata = json!({ "command": reporter });
        let metadata = serde_json::value::to_raw_value(&metadata).map_err(StoreError::from)?;
        tx.append(DriftDetected {
            backend_mount_id: mount_id,
            node_id: Some(before.id),
            path: Text::from(path),
            detected_at: tx.now(),
            reason: Text::from(ReconcileReason::Drift.as_str()),
            reporter: Some(Text::from(reporter)),
            metadata: Some(&metadata),
            journal_id: JournalId::ZERO,
        })?;
        let mut after = before.clone();
        after.state = NodeState::Inconsistent;
        after.consistency_state = ConsistencyState::Inconsistent;
        after.consistency_checked_at = Some(tx.now());
        after.last_drift_detected_at = Some(tx.now());
        let cause = Cause {
            command: reporter,
            ..Cause::default()
        };
        tx.change(&cause, Verb::Updated, Some(&before), &mut after)?;
    }
    let path = NodePath::parse(path)?;
    let ask = Ask {
        mount_id,
        path,
        node_id: Some(before.id),
        reason: ReconcileReason::Drift,
        detect_children: true,
        requested_hash: false,
    };
    queue(tx, &ask).map(|_| ())
}
