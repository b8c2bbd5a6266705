//! Threads that own connections, behind a bounded queue.
//!
//! A handler sends a closure and awaits its answer; no SQLite call ever runs on an async thread.
//! When the queue is full the caller is told so at once (429) and nothing waits in memory. A
//! closure whose caller has gone away is not run. Reads carry a deadline, so that one costly
//! search cannot hold a thread for ever.

use parking_lot::{FairMutex, Mutex, RwLock};
use rusqlite::Connection;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How often SQLite looks at the deadline, in instructions of its virtual machine.
const INSTRUCTIONS_BETWEEN_LOOKS: i32 = 20_000;

/// Whose turn it is to write: SQLite has one writer, and the sink and people's writes take fair
/// turns, one transaction each, so that a person's write waits for at most one batch.
pub(crate) type Turn = Arc<FairMutex<()>>;

/// A closure was not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum QueueError {
    #[error("the queue is full")]
    Full,
    #[error("the store is closed")]
    Closed,
}

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// A queue and its threads.
#[derive(Debug)]
pub(crate) struct DbThreads {
    jobs: RwLock<Option<crossbeam_channel::Sender<Job>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl DbThreads {
    /// Starts a thread for each connection. With a `turn` every closure runs within it; with a
    /// `deadline` SQLite interrupts a closure that takes longer.
    pub(crate) fn start(
        name: &str,
        connections: Vec<Connection>,
        queue: usize,
        turn: Option<&Turn>,
        deadline: Option<Duration>,
    ) -> std::io::Result<Self> {
        let (jobs, inbox) = crossbeam_channel::bounded::<Job>(queue);
        let mut threads = Vec::with_capacity(connections.len());
        for (index, mut connection) in connections.into_iter().enumerate() {
            let inbox = inbox.clone();
            let turn = turn.cloned();
            let work = move || {
                let clock = deadline.map(|limit| Deadline::on(&mut connection, limit));
                for job in inbox {
                    let _turn = turn.as_ref().map(|turn| turn.lock());
                    if let Some(clock) = &clock {
                        clock.restart();
                    }
                    job(&mut connection);
                }
            };
            threads.push(
                std::thread::Builder::new()
                    .name(format!("{name}-{index}"))
                    .spawn(work)?,
            );
        }
        Ok(Self {
            jobs: RwLock::new(Some(jobs)),
            threads: Mutex::new(threads),
        })
    }

    /// Runs `work` on one of the threads and gives its result.
    pub(crate) async fn run<T, F>(&self, work: F) -> Result<T, QueueError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> T + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            if !reply.is_closed() {
                // A caller that left while the work ran no longer wants the result.
                let _ = reply.send(work(connection));
            }
        });
        self.send(job)?;
        answer.await.map_err(|_| QueueError::Closed)
    }

    fn send(&self, job: Job) -> Result<(), QueueError> {
        match self.jobs.read().as_ref().map(|jobs| jobs.try_send(job)) {
            Some(Ok(())) => Ok(()),
            Some(Err(crossbeam_channel::TrySendError::Full(_))) => Err(QueueError::Full),
            Some(Err(crossbeam_channel::TrySendError::Disconnected(_))) | None => {
                Err(QueueError::Closed)
            }
        }
    }

    /// Whether it takes work, and there is a thread to do it.
    pub(crate) fn is_open(&self) -> bool {
        let threads = self.threads.lock();
        self.jobs.read().is_some() && threads.iter().any(|it| !it.is_finished())
    }

    /// Takes no more, finishes what was taken and closes the connections.
    pub(crate) fn close(&self) {
        drop(self.jobs.write().take());
        for thread in self.threads.lock().drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the store had panicked");
            }
        }
    }
}

impl Drop for DbThreads {
    fn drop(&mut self) {
        self.close();
    }
}

/// When the present closure of a connection is overdue, in milliseconds after `start`.
struct Deadline {
    start: Instant,
    limit: Duration,
    due_ms: Arc<AtomicU64>,
}

impl Deadline {
    fn on(connection: &mut Connection, limit: Duration) -> Self {
        let this = Self {
            start: Instant::now(),
            limit,
            due_ms: Arc::new(AtomicU64::new(u64::MAX)),
        };
        let (start, due_ms) = (this.start, Arc::clone(&this.due_ms));
        let is_overdue = move || millis(start.elapsed()) > due_ms.load(Ordering::Relaxed);
        // Without the handler the reads are right, only unbounded: not worth refusing to start.
        if let Err(error) =
            connection.progress_handler(INSTRUCTIONS_BETWEEN_LOOKS, Some(is_overdue))
        {
            tracing::warn!(%error, "reads are not bounded in time");
        }
        this
    }

    fn restart(&self) {
        let due = self.start.elapsed().saturating_add(self.limit);
        self.due_ms.store(millis(due), Ordering::Relaxed);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_costly_read_is_interrupted_at_its_deadline() {
        let connection = Connection::open_in_memory().unwrap();
        let threads = DbThreads::start(
            "t",
            vec![connection],
            1,
            None,
            Some(Duration::from_millis(20)),
        )
        .unwrap();
        let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) \
                       SELECT max(i) FROM n";
        let error = threads
            .run(move |db| {
                db.query_row(endless, [], |row| row.get::<_, i64>(0))
                    .unwrap_err()
            })
            .await
            .unwrap();
        assert_eq!(crate::db::fault(&error), crate::db::Fault::Overdue);
        let two = threads
            .run(|db| db.query_row("SELECT 2", [], |row| row.get::<_, i64>(0)))
            .await;
        assert_eq!(
            two.unwrap().unwrap(),
            2,
            "the next read has its own deadline"
        );
    }

    #[test]
    fn a_full_queue_says_so_and_runs_what_it_took() {
        let connection = Connection::open_in_memory().unwrap();
        let threads = DbThreads::start("t", vec![connection], 1, None, None).unwrap();
        let (started, has_started) = std::sync::mpsc::channel();
        let (go, may_go) = std::sync::mpsc::channel::<()>();
        let (done, outcome) = std::sync::mpsc::channel();
        let in_hand = move |_: &mut Connection| {
            started.send(()).unwrap();
            may_go.recv().unwrap();
        };
        threads.send(Box::new(in_hand)).unwrap();
        has_started.recv().unwrap();
        threads
            .send(Box::new(move |_| done.send("ran").unwrap()))
            .unwrap();
        assert_eq!(threads.send(Box::new(|_| {})), Err(QueueError::Full));
        go.send(()).unwrap();
        threads.close();
        assert_eq!(outcome.recv(), Ok("ran"), "closing finishes what was taken");
        assert_eq!(threads.send(Box::new(|_| {})), Err(QueueError::Closed));
    }
}
