//! The one thread that writes.
//!
//! Jobs come through a bounded channel. The thread takes what waits, bounded by number and time,
//! and runs it in one transaction, each job within its own savepoint; then it commits, tells the
//! head, and answers all of them. So a hundred commands that come together cost one sync of the
//! disk (group commit), a job that fails takes back only what is its own, journal ids and
//! rollups included, and nobody is answered before what it did is durable.
//!
//! Between two groups, and while nobody waits, it seals old entries of the journal, a block at a
//! time ([`entries`]).

use super::entries::{self, TAIL_ROWS};
use super::head::HeadSignal;
use super::tx::WriteTx;
use super::{Head, Names, StoreError};
use crate::metric;
use journal::{Clock, Mark};
use process::Lock;
use rusqlite::Connection;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};

/// Jobs in one transaction.
const GROUP_JOBS: usize = 512;

/// After this long a group takes no further job, so that those in it are answered.
const GROUP_TIME: Duration = Duration::from_millis(10);

/// Jobs that wait: the next submitter waits for a place.
pub(super) const QUEUE_JOBS: usize = 1024;

/// How the group that a job was part of ended.
type Commit = Result<(), Arc<rusqlite::Error>>;

pub(super) trait Job: Send {
    /// Runs it; whether it went well. Called once.
    fn run(&mut self, tx: &mut WriteTx<'_>) -> bool;
    /// Gives the submitter its answer.
    fn answer(self: Box<Self>, commit: &Commit);
}

/// A closure and whoever waits for what it gives.
pub(super) struct Submitted<F, T, E> {
    pub(super) job: Option<F>,
    pub(super) outcome: Option<Result<T, E>>,
    pub(super) reply: oneshot::Sender<Result<T, E>>,
}

impl<F, T, E> Job for Submitted<F, T, E>
where
    F: FnOnce(&mut WriteTx<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<StoreError> + Send,
{
    fn run(&mut self, tx: &mut WriteTx<'_>) -> bool {
        let mut run = |job: F| -> Result<T, E> {
            let done = job(tx)?;
            tx.write_entries()?;
            Ok(done)
        };
        let outcome = match self.job.take() {
            Some(job) => catch_unwind(AssertUnwindSafe(|| run(job)))
                .unwrap_or_else(|_| Err(StoreError::Panicked.into())),
            None => Err(StoreError::Panicked.into()),
        };
        let is_ok = outcome.is_ok();
        self.outcome = Some(outcome);
        is_ok
    }

    fn answer(self: Box<Self>, commit: &Commit) {
        let outcome = match (self.outcome, commit) {
            (Some(Ok(_)) | None, Err(error)) => Err(StoreError::Commit(Arc::clone(error)).into()),
            (Some(outcome), _) => outcome,
            (None, Ok(())) => Err(StoreError::Panicked.into()),
        };
        // Whoever asked may have gone; what was done stays done.
        let _ = self.reply.send(outcome);
    }
}

pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) jobs: mpsc::Receiver<Box<dyn Job>>,
    pub(super) node_ids: Arc<AtomicI64>,
    pub(super) head: Arc<HeadSignal>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) mark: Mark,
    pub(super) names: Arc<OnceLock<Arc<dyn Names>>>,
    /// With so many entries in rows the oldest of them are sealed.
    pub(super) seal_from: u64,
    #[expect(dead_code, reason = "held until the last job is done")]
    pub(super) lock: Lock,
}

impl Writer {
    /// Runs until the store is closed and all jobs are done.
    pub(super) fn run(mut self) {
        let mut has_more = self.seal();
        loop {
            let first = if has_more {
                self.jobs.try_recv()
            } else {
                self.jobs.blocking_recv().ok_or(TryRecvError::Disconnected)
            };
            match first {
                Ok(first) => self.run_group(first),
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => break,
            }
            has_more = self.seal();
        }
        let truncate = |_: &rusqlite::Row<'_>| Ok(());
        let checkpoint = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], truncate);
        if let Err(error) = checkpoint {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "wal checkpoint failed"
            );
        }
    }

    /// Seals the oldest entries that are rows, a block of them, if there are many. Whether there is
    /// more to seal. If it fails, it is tried again when there are as many more.
    fn seal(&mut self) -> bool {
        let head = self.head.current().id;
        match entries::seal_oldest(&mut self.connection, head, self.seal_from) {
            Ok(left) => {
                if left.is_some() {
                    self.seal_from = TAIL_ROWS;
                }
                left.is_some_and(|left| left >= TAIL_ROWS)
            }
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "older entries of the journal were not sealed");
                self.seal_from = self.seal_from.saturating_add(TAIL_ROWS);
                false
            }
        }
    }

    fn run_group(&mut self, first: Box<dyn Job>) {
        let mut done = Vec::new();
        let commit = self.write_group(first, &mut done).map_err(Arc::new);
        match &commit {
            Ok(head) if *head != self.head.current() => {
                // Before anybody hears of it. A mark that cannot be set is too low, and claims
                // nothing wrong.
                if let Err(error) = self.mark.set(head.id.get()) {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "the journal's mark was not set");
                }
                self.head.publish(*head);
            }
            Ok(_) => {}
            Err(error) => {
                tracing::error!(error = &**error as &dyn std::error::Error, "commit failed");
                self.roll_back();
            }
        }
        let commit = commit.map(|_| ());
        for job in done {
            job.answer(&commit);
        }
    }

    fn write_group(
        &mut self,
        first: Box<dyn Job>,
        done: &mut Vec<Box<dyn Job>>,
    ) -> rusqlite::Result<Head> {
        let started = Instant::now();
        let before = self.head.current();
        let mut tx = WriteTx::new(
            &self.connection,
            &self.node_ids,
            self.names.get().map(|names| &**names),
            before,
            self.clock.now(),
        );
        let mut next = Some(first);
        let begun = self.connection.execute_batch("BEGIN IMMEDIATE");
        while let Some(mut job) = next.take() {
            let ran = begun
                .is_ok()
                .then(|| run_job(&self.connection, &mut tx, &mut *job, &*self.clock));
            done.push(job);
            match ran {
                Some(Ok(())) => {}
                Some(Err(error)) => return Err(error),
                None => break,
            }
            if done.len() < GROUP_JOBS && started.elapsed() < GROUP_TIME {
                next = self.jobs.try_recv().ok();
            }
        }
        begun?;
        let head = tx.finish(before)?;
        self.connection.execute_batch("COMMIT")?;
        let jobs = u32::try_from(done.len()).unwrap_or(u32::MAX);
        metrics::histogram!(metric::COMMIT_JOBS).record(f64::from(jobs));
        metrics::histogram!(metric::COMMIT_SECONDS).record(started.elapsed().as_secs_f64());
        #[expect(
            clippy::cast_precision_loss,
            reason = "a gauge needs no more than 52 bits"
        )]
        metrics::gauge!(metric::JOURNAL_HEAD).set(head.id.get() as f64);
        Ok(head)
    }

    fn roll_back(&self) {
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::error!(error = &error as &dyn std::error::Error, "rollback failed");
        }
    }
}

/// Runs a job within a savepoint. An error means that the whole transaction is lost.
fn run_job(
    connection: &Connection,
    tx: &mut WriteTx<'_>,
    job: &mut dyn Job,
    clock: &dyn Clock,
) -> rusqlite::Result<()> {
    connection.prepare_cached("SAVEPOINT job")?.execute([])?;
    tx.begin_job(clock.now());
    if job.run(tx) {
        tx.keep_job();
    } else {
        tx.undo_job();
        // SQLite takes the whole transaction back for some errors, a full disk for one. There is
        // no savepoint any more then, and this fails as it should.
        connection.prepare_cached("ROLLBACK TO job")?.execute([])?;
    }
    connection.prepare_cached("RELEASE job")?.execute([])?;
    Ok(())
}
