//! Reads on threads of their own, bounded in number, in the queue and in time.
//!
//! DuckDB has no time limit of its own, so a watch interrupts what runs too long, or for a caller
//! that has gone. An interrupt that comes before the statement has begun is lost, therefore the
//! watch repeats it until the read ends. It interrupts under the lock under which a read leaves,
//! so it never hits the next one.
//!
//! It watches the memory of bounded reads in the same way. DuckDB counts what its buffers and most
//! aggregates take and ends a statement at its limit, but it does not count all: `mode` and
//! `median` keep their values beside it. So the memory of the whole process is looked at, too.

use super::Instance;
use super::bounds::{Bounds, Monitor};
use crate::error::{Error, Result};
use crate::metric;
use crossbeam_channel::{Receiver, Sender, TrySendError};
use duckdb::{Connection, InterruptHandle};
use parking_lot::{Condvar, Mutex};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const REPEAT_INTERRUPT: Duration = Duration::from_millis(20);
const LOOK_AT_MEMORY: Duration = Duration::from_millis(10);

/// A few reader threads with a bounded queue before them.
pub(crate) struct Pool {
    name: &'static str,
    jobs: Mutex<Option<Sender<Job>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    watch: Arc<Watch>,
}

type Run = Box<dyn FnOnce(Result<(&Connection, &Watch, Option<u64>)>) + Send>;

struct Job {
    limit: Duration,
    abandoned: Arc<AtomicBool>,
    bounds: Option<Arc<Bounds>>,
    run: Run,
}

#[derive(Default)]
struct Watch {
    state: Mutex<Watched>,
    changed: Condvar,
}

#[derive(Default)]
struct Watched {
    running: Vec<Running>,
    next_ticket: u64,
    is_stopped: bool,
}

struct Running {
    ticket: u64,
    due: Instant,
    abandoned: Arc<AtomicBool>,
    handle: Arc<InterruptHandle>,
    memory: Option<Monitor>,
    over: Option<Over>,
}

/// What a read has had too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    Time,
    Memory,
}

/// Whoever waits for a read. Going away before the answer abandons the read.
struct Caller {
    abandoned: Arc<AtomicBool>,
    watch: Arc<Watch>,
    has_answer: bool,
}

impl Pool {
    /// `name` is the threads'; `queue` reads may wait.
    pub(crate) fn start(
        name: &'static str,
        threads: usize,
        queue: usize,
        instance: &Arc<Instance>,
    ) -> Result<Self> {
        let (jobs, waiting) = crossbeam_channel::bounded::<Job>(queue);
        let watch = Arc::new(Watch::default());
        let mut handles = Vec::new();
        for _ in 0..threads {
            let (instance, waiting, watch) =
                (Arc::clone(instance), waiting.clone(), Arc::clone(&watch));
            let builder = std::thread::Builder::new().name(name.to_owned());
            handles.push(builder.spawn(move || serve(&instance, &waiting, &watch))?);
        }
        let on_watch = Arc::clone(&watch);
        let builder = std::thread::Builder::new().name(format!("{name}-watch"));
        handles.push(builder.spawn(move || on_watch.run())?);
        Ok(Self {
            name,
            jobs: Mutex::new(Some(jobs)),
            threads: Mutex::new(handles),
            watch,
        })
    }

    /// Runs `work` in a read-only transaction, for at most `limit`. If the caller goes away, the
    /// work is interrupted.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = tokio::sync::oneshot::channel();
        let mut caller = self.submit(limit, None, work, move |result| drop(reply.send(result)))?;
        let result = answer.await;
        caller.has_answer = true;
        result.map_err(|_| Error::Closed)?
    }

    /// As [`Pool::read`], and the read's memory is watched.
    pub(crate) async fn read_bounded<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl FnOnce(&Connection, &Bounds) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let bounds = Arc::new(Bounds::default());
        let own = Arc::clone(&bounds);
        let work = move |connection: &Connection| work(connection, &own);
        let (reply, answer) = tokio::sync::oneshot::channel();
        let reply = move |result| drop(reply.send(result));
        let mut caller = self.submit(limit, Some(bounds), work, reply)?;
        let result = answer.await;
        caller.has_answer = true;
        result.map_err(|_| Error::Closed)?
    }

    /// As [`Pool::read`], from a thread that may block.
    pub(crate) fn read_blocking<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = crossbeam_channel::bounded(1);
        let mut caller = self.submit(limit, None, work, move |result| drop(reply.send(result)))?;
        let result = answer.recv();
        caller.has_answer = true;
        result.map_err(|_| Error::Closed)?
    }

    fn submit<T: Send + 'static>(
        &self,
        limit: Duration,
        bounds: Option<Arc<Bounds>>,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
        reply: impl FnOnce(Result<T>) + Send + 'static,
    ) -> Result<Caller> {
        let abandoned = Arc::new(AtomicBool::new(false));
        let pool = self.name;
        let run: Run = Box::new(move |start| {
            let started = Instant::now();
            reply(start.and_then(|(connection, watch, ticket)| {
                let result = catch_unwind(AssertUnwindSafe(|| {
                    connection.execute_batch("BEGIN TRANSACTION READ ONLY")?;
                    work(connection)
                }))
                .unwrap_or_else(|_| Err(Error::internal("a read panicked")));
                metrics::histogram!(metric::READ_SECONDS, "pool" => pool)
                    .record(started.elapsed().as_secs_f64());
                match (&result, watch.leave(ticket)) {
                    (Err(_), Some(Over::Time)) => Err(Error::TimedOut(limit)),
                    (Err(_), Some(Over::Memory)) => Err(Error::TooMuchMemory),
                    _ => result,
                }
            }));
        });
        let jobs = self.jobs.lock().clone().ok_or(Error::Closed)?;
        let job = Job {
            limit,
            abandoned: Arc::clone(&abandoned),
            bounds,
            run,
        };
        jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => {
                metrics::counter!(metric::READS_REFUSED, "pool" => self.name).increment(1);
                Error::Busy
            }
            TrySendError::Disconnected(_) => Error::Closed,
        })?;
        Ok(Caller {
            abandoned,
            watch: Arc::clone(&self.watch),
            has_answer: false,
        })
    }

    /// Turns new reads away, stops the running ones and waits for the threads.
    pub(crate) fn close(&self) {
        drop(self.jobs.lock().take());
        self.watch.stop();
        for thread in self.threads.lock().drain(..) {
            if thread.join().is_err() {
                tracing::error!("reader thread panicked");
            }
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.close();
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        if !self.has_answer {
            self.abandoned.store(true, Ordering::Release);
            // Taken and let go, so that the watch is either before its look or waits already.
            drop(self.watch.state.lock());
            self.watch.changed.notify_all();
        }
    }
}

/// A reader thread: each job gets a connection that nobody used before.
fn serve(instance: &Instance, waiting: &Receiver<Job>, watch: &Watch) {
    for job in waiting {
        if job.abandoned.load(Ordering::Acquire) {
            continue;
        }
        let mut run = Some(job.run);
        let result = instance.with_connection(|connection| {
            let limit = instance.memory.wide_bytes();
            let monitor = |bounds| Monitor::start(bounds, connection, limit);
            let memory = job.bounds.map(monitor).transpose()?;
            let ticket = watch.enter(connection, job.limit, Arc::clone(&job.abandoned), memory);
            if let Some(run) = run.take() {
                run(Ok((connection, watch, Some(ticket))));
            }
            watch.leave(Some(ticket));
            Ok(())
        });
        if let (Err(error), Some(run)) = (result, run) {
            run(Err(error));
        }
    }
}

impl Watch {
    fn enter(
        &self,
        connection: &Connection,
        limit: Duration,
        abandoned: Arc<AtomicBool>,
        memory: Option<Monitor>,
    ) -> u64 {
        let mut state = self.state.lock();
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        state.running.push(Running {
            ticket,
            due: Instant::now() + limit,
            abandoned,
            handle: connection.interrupt_handle(),
            memory,
            over: None,
        });
        drop(state);
        self.changed.notify_all();
        ticket
    }

    /// Ends the watch over a read and tells whether it was interrupted for having had too much.
    fn leave(&self, ticket: Option<u64>) -> Option<Over> {
        let mut state = self.state.lock();
        let at = state
            .running
            .iter()
            .position(|running| Some(running.ticket) == ticket)?;
        state.running.swap_remove(at).over
    }

    fn stop(&self) {
        self.state.lock().is_stopped = true;
        self.changed.notify_all();
    }

    /// Ends when it is stopped and nothing runs any more.
    fn run(&self) {
        let mut state = self.state.lock();
        loop {
            if state.is_stopped && state.running.is_empty() {
                return;
            }
            let now = Instant::now();
            let is_stopped = state.is_stopped;
            for running in &mut state.running {
                running.look(now);
                let is_gone = is_stopped || running.abandoned.load(Ordering::Acquire);
                if running.over.is_some() || is_gone {
                    running.handle.interrupt();
                    running.due = now + REPEAT_INTERRUPT;
                }
            }
            let next = state
                .running
                .iter()
                .map(|running| running.next_look(now))
                .min();
            match next {
                Some(due) => drop(self.changed.wait_until(&mut state, due)),
                None => self.changed.wait(&mut state),
            }
        }
    }
}

impl Running {
    fn look(&mut self, now: Instant) {
        if self.over.is_none() && now >= self.due {
            self.over = Some(Over::Time);
        }
        if self.over.is_none() && self.memory.as_ref().is_some_and(Monitor::is_over) {
            self.over = Some(Over::Memory);
        }
    }

    fn next_look(&self, now: Instant) -> Instant {
        match self.memory {
            Some(_) => self.due.min(now + LOOK_AT_MEMORY),
            None => self.due,
        }
    }
}
