//! The catalogue: nodes, mounts and the journal, in one SQLite file.
//!
//! - One thread writes ([`writer`]). Whoever wants to write submits a job, a closure over a
//!   [`WriteTx`]; jobs that come together share a commit. `synchronous = FULL`: what was answered
//!   is durable.
//! - A node changes through [`WriteTx::change`] only, which writes the row, its journal entry and
//!   its part of the rollups. So no path writes one without the other.
//! - Journal ids are given out inside the one write transaction: dense, and never visible out of
//!   order. Their digests chain from the epoch. Older entries lie in compressed blocks ([`entries`]).
//! - Readers have connections of their own ([`readers`]) and see the last commit; WAL lets them
//!   read while the writer writes.
//! - One process holds the data directory.
//!
//! On open, the end of the journal is compared with what was committed and its last digests are
//! computed again: a truncated or edited journal is refused, and not continued.

mod change;
pub mod check;
mod column;
pub mod consumers;
pub mod doubt;
mod entries;
mod error;
mod facts;
pub mod formers;
mod functions;
mod head;
pub mod idempotency;
mod inode;
pub mod intents;
pub mod jobs;
pub mod list;
pub mod listings;
mod lookup;
mod meta;
mod metric;
pub mod missing;
mod moment;
pub mod mounts;
mod names;
pub mod nodes;
mod read;
mod reader;
mod readers;
pub mod rollups;
mod schema;
pub mod scratch;
#[cfg(test)]
mod tests;
mod tx;
mod writer;

pub use change::{Cause, Fact, Verb};
pub use error::{OpenError, StoreError};
pub use head::Head;
pub use lookup::{CANDIDATES, Candidate, DirectoryRef, Known, Lookup, Passed};
pub use metric::describe;
pub use names::{Names, Owner};
pub use nodes::{Metadata, Node};
pub use read::ReadTx;
pub use reader::{changed_nodes, last_committed_before};
pub use tx::WriteTx;

use head::HeadSignal;
use journal::{Clock, Epoch, JournalId};
use parking_lot::Mutex;
use process::{Lock, LockError};
use readers::Readers;
use rusqlite::Connection;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use writer::{Job, Submitted, Writer};

/// The catalogue.
pub struct Catalogue {
    jobs: Mutex<Option<mpsc::Sender<Box<dyn Job>>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    readers: Arc<Readers>,
    head: Arc<HeadSignal>,
    node_ids: Arc<AtomicI64>,
    epoch: Epoch,
    clock: Arc<dyn Clock>,
    names: Arc<OnceLock<Arc<dyn Names>>>,
}

impl std::fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Catalogue")
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}

impl Catalogue {
    /// Opens the catalogue at `database` (made if there is none) and locks `directory`.
    ///
    /// # Errors
    /// The catalogue cannot be read or written.
    pub fn open(
        directory: &Path,
        database: &Path,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let lock = lock(directory)?;
        let mark = schema::mark(database)?;
        let (connection, meta) = schema::open(database, &*clock)?;
        schema::check_mark(database, &mark, &meta)?;
        let head = Arc::new(HeadSignal::new(meta.head));
        let node_ids = Arc::new(AtomicI64::new(meta.next_node_id));
        let (jobs, receiver) = mpsc::channel(writer::QUEUE_JOBS);
        let names = Arc::default();
        let writer = Writer {
            connection,
            names: Arc::clone(&names),
            jobs: receiver,
            node_ids: Arc::clone(&node_ids),
            head: Arc::clone(&head),
            clock: Arc::clone(&clock),
            mark,
            seal_from: entries::TAIL_ROWS,
            lock,
        };
        let thread = std::thread::Builder::new()
            .name("filestore-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(OpenError::Thread)?;
        Ok(Self {
            jobs: Mutex::new(Some(jobs)),
            thread: Mutex::new(Some(thread)),
            readers: Arc::new(Readers::new(database)),
            head,
            node_ids,
            epoch: meta.epoch,
            clock,
            names,
        })
    }

    /// Runs a job in the writer's next group and waits until it is durable. The job runs even if
    /// nobody waits any more. Not to be called from a task: it blocks.
    ///
    /// # Errors
    /// The job's own, in which case nothing of it has taken effect; or the store's.
    pub fn write<T, E, F>(&self, job: F) -> Result<T, E>
    where
        F: FnOnce(&mut WriteTx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.submit(job)?.wait()
    }

    /// [`Catalogue::write`] in two parts, for those who have something to do until it is
    /// durable. It blocks while the queue is full.
    ///
    /// # Errors
    /// The store is closed.
    pub fn submit<T, E, F>(&self, job: F) -> Result<Pending<T, E>, StoreError>
    where
        F: FnOnce(&mut WriteTx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (job, reply) = submitted(job);
        self.jobs()?
            .blocking_send(job)
            .map_err(|_| StoreError::Closed)?;
        Ok(Pending(reply))
    }

    /// [`Catalogue::write`] for tasks.
    ///
    /// # Errors
    /// As there.
    pub async fn write_async<T, E, F>(&self, job: F) -> Result<T, E>
    where
        F: FnOnce(&mut WriteTx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (job, reply) = submitted(job);
        let jobs = self.jobs()?;
        jobs.send(job).await.map_err(|_| StoreError::Closed)?;
        drop(jobs);
        reply.await.map_err(|_| StoreError::Closed)?
    }

    /// Reads on a pooled connection, all within one transaction. Blocks.
    ///
    /// # Errors
    /// The closure's own, or the store's.
    pub fn read<T, E: From<StoreError>>(
        &self,
        read: impl FnOnce(&ReadTx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.readers
            .read(self.names.get().map(|names| &**names), read)
    }

    /// A read-only connection of the caller's own, for those who read for a long time.
    pub(crate) fn open_reader(&self) -> Result<Connection, StoreError> {
        self.readers.open()
    }

    /// Ids for nodes that are to be inserted with ids of the caller's choice. Ids that nobody uses
    /// are lost, which does no harm.
    pub fn allocate_node_ids(&self, count: usize) -> Range<i64> {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let first = self.node_ids.fetch_add(count, Ordering::Relaxed);
        first..first.saturating_add(count)
    }

    /// Has users and groups told by the names that these give. The first ones stay.
    pub fn set_names(&self, names: Arc<dyn Names>) {
        self.names.get_or_init(|| names);
    }

    /// The last committed entry.
    pub fn head(&self) -> Head {
        self.head.current()
    }

    /// Tells every new head.
    pub fn head_watch(&self) -> watch::Receiver<Head> {
        self.head.subscribe()
    }

    /// Blocks until the head lies past `after`, at most `timeout`.
    pub fn wait_for_head(&self, after: JournalId, timeout: Duration) {
        self.head.wait(after, timeout);
    }

    /// The journal's identity.
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Where "now" comes from.
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Finishes the jobs that wait, checkpoints the WAL and lets go of the data directory. Jobs
    /// submitted later are refused. Blocks.
    pub fn close(&self) {
        drop(self.jobs.lock().take());
        self.readers.close();
        let thread = self.thread.lock().take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the writer's thread panicked");
        }
    }

    /// Whether it takes jobs and its thread is there to do them.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let thread = self.thread.lock();
        self.jobs.lock().is_some() && thread.as_ref().is_some_and(|it| !it.is_finished())
    }

    fn jobs(&self) -> Result<mpsc::Sender<Box<dyn Job>>, StoreError> {
        self.jobs.lock().clone().ok_or(StoreError::Closed)
    }
}

/// A job that is submitted. It runs whether or not anybody waits for it.
#[derive(Debug)]
pub struct Pending<T, E>(oneshot::Receiver<Result<T, E>>);

impl<T, E: From<StoreError>> Pending<T, E> {
    /// Waits until it is durable. Not to be called from a task: it blocks.
    ///
    /// # Errors
    /// As [`Catalogue::write`].
    pub fn wait(self) -> Result<T, E> {
        self.0.blocking_recv().map_err(|_| StoreError::Closed)?
    }
}

fn submitted<T, E, F>(job: F) -> (Box<dyn Job>, oneshot::Receiver<Result<T, E>>)
where
    F: FnOnce(&mut WriteTx<'_>) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    let (reply, receiver) = oneshot::channel();
    (
        Box::new(Submitted {
            job: Some(job),
            outcome: None,
            reply,
        }),
        receiver,
    )
}

/// The data directory is ours as long as the lock lives.
fn lock(directory: &Path) -> Result<Lock, OpenError> {
    let failed = |source| OpenError::Directory {
        directory: directory.to_owned(),
        source,
    };
    std::fs::create_dir_all(directory).map_err(failed)?;
    Lock::take(&directory.join("filestore.lock")).map_err(|error| match error {
        LockError::Held { holder, .. } => OpenError::InUse {
            directory: directory.to_owned(),
            holder,
        },
        LockError::Io { source, .. } => failed(source),
    })
}
