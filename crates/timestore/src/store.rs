//! The DuckDB file: who may touch it, and from which thread.
//!
//! One owner thread holds the writing connection and takes jobs from a bounded queue. A read runs
//! on a thread of a [`Pool`], on a connection of its own that is made for it and dropped after it,
//! inside a read-only transaction: no read sees another's leftovers, and none outlives its bound in
//! time, so none keeps the write-ahead log from being folded into the file for longer than that.
//!
//! Settings are the sandbox's outer wall and hold for the whole instance, this crate's own
//! statements included: DuckDB may touch its own files and nothing else, loads no extension, and
//! no statement can change that. Its time zone is UTC, whatever the machine's is.
//!
//! Memory: batches of the journal are written within a small limit ([`memory`]), so that catching up
//! fills no more of it, however long it takes; reads and other writes raise it while they run.
//!
//! Recovery: DuckDB replays its write-ahead log when the file is opened, so a killed process loses
//! only what had not committed. A write that fails for want of space takes the instance down
//! ("invalidated"); the owner then waits for the readers to leave and opens the file again.

mod bounds;
mod memory;
mod readers;

pub(crate) use bounds::Bounds;
pub(crate) use readers::Pool;

use crate::error::{Error, Result};
use crate::metric;
use crossbeam_channel::{Receiver, Sender, TrySendError};
use duckdb::{Config, Connection};
use memory::Memory;
use parking_lot::{Mutex, RwLock};
use process::{Lock, LockError};
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

/// Writes that may wait; then callers are turned away.
const WRITE_QUEUE: usize = 64;

/// What the instance is opened with.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) path: PathBuf,
    pub(crate) memory_limit_bytes: u64,
    pub(crate) batch_memory_bytes: u64,
    pub(crate) threads: u32,
    pub(crate) log_max_bytes: u64,
}

type Run = Box<dyn FnOnce(&Connection) -> After + Send>;

/// What a job left behind.
#[derive(Clone, Copy)]
struct After {
    /// The instance is usable.
    is_intact: bool,
    /// It had too little memory.
    lacked_memory: bool,
}

/// A write, and whether it may use all the memory there is.
struct Job {
    run: Run,
    is_wide: bool,
}

/// The open file.
pub(crate) struct Store {
    jobs: Mutex<Option<Sender<Job>>>,
    owner: Mutex<Option<JoinHandle<()>>>,
    instance: Arc<Instance>,
    /// Held until the file is closed.
    lock: Mutex<Option<Lock>>,
}

/// The connection that readers are cloned from. Readers hold the read lock for as long as they
/// use the instance; whoever opens it again holds the write lock, so that two instances never have
/// the file at once.
pub(crate) struct Instance {
    template: RwLock<Option<Mutex<Connection>>>,
    memory: Memory,
}

impl Store {
    /// Opens the file, alone.
    pub(crate) fn open(
        settings: Settings,
        prepare: impl FnOnce(&Connection) -> Result<()>,
    ) -> Result<Self> {
        refuse_parameters(&settings.path)?;
        let lock = lock(&settings.path)?;
        let reach = Reach::of(&settings.path)?;
        let connection = connect(&settings, &reach)?;
        prepare(&connection).map_err(|error| error.on_opening(&settings.path))?;
        let instance = Arc::new(Instance {
            template: RwLock::new(Some(Mutex::new(connection.try_clone()?))),
            memory: Memory::new(settings.memory_limit_bytes, settings.batch_memory_bytes),
        });
        instance.memory.settle(&connection);
        let (jobs, queue) = crossbeam_channel::bounded(WRITE_QUEUE);
        let owner = Owner {
            settings,
            reach,
            connection: Some(connection),
            instance: Arc::clone(&instance),
        };
        let owner = std::thread::Builder::new()
            .name("timestore-owner".to_owned())
            .spawn(move || owner.run(&queue))?;
        Ok(Self {
            jobs: Mutex::new(Some(jobs)),
            owner: Mutex::new(Some(owner)),
            instance,
            lock: Mutex::new(Some(lock)),
        })
    }

    pub(crate) fn instance(&self) -> Arc<Instance> {
        Arc::clone(&self.instance)
    }

    /// Runs `work` on the owner thread and waits for it, with all the memory there is. What `work`
    /// does is up to it; see [`transaction`].
    pub(crate) fn write_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.queue(work, true)?.recv().map_err(|_| Error::Closed)?
    }

    /// Queues `work`, which needs little memory, for the owner thread; the answer comes through
    /// the channel.
    pub(crate) fn begin_write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<Receiver<Result<T>>> {
        self.queue(work, false)
    }

    fn queue<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
        is_wide: bool,
    ) -> Result<Receiver<Result<T>>> {
        let (reply, answer) = crossbeam_channel::bounded(1);
        let jobs = self.jobs.lock().clone().ok_or(Error::Closed)?;
        let run = run(work, move |result| drop(reply.send(result)));
        jobs.send(Job { run, is_wide }).map_err(|_| Error::Closed)?;
        Ok(answer)
    }

    /// Runs `work` on the owner thread. Once queued it runs even if the caller goes away.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = tokio::sync::oneshot::channel();
        let jobs = self.jobs.lock().clone().ok_or(Error::Closed)?;
        let run = run(work, move |result| drop(reply.send(result)));
        let job = Job { run, is_wide: true };
        jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => Error::Busy,
            TrySendError::Disconnected(_) => Error::Closed,
        })?;
        answer.await.map_err(|_| Error::Closed)?
    }

    /// Writes out what is queued, folds the log into the file and closes it. Readers must have
    /// ended.
    pub(crate) fn close(&self) {
        drop(self.jobs.lock().take());
        if let Some(owner) = self.owner.lock().take()
            && owner.join().is_err()
        {
            tracing::error!("database thread panicked");
        }
        drop(self.lock.lock().take());
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close();
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Instance {
    /// Whether the file is open. It is not after a failed write, until it is opened again.
    pub(crate) fn is_open(&self) -> bool {
        let template = self.template.try_read();
        template.is_some_and(|template| template.is_some())
    }

    /// Runs `work` on a connection of its own, with all the memory there is.
    pub(crate) fn with_connection<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T>,
    ) -> Result<T> {
        let template = self.template.read();
        let connection = template.as_ref().ok_or(Error::Closed)?.lock().try_clone()?;
        let _wide = self.memory.widen(&connection);
        work(&connection)
    }

    /// The same with no more memory than a batch has, and again with all there is if that is too
    /// little.
    pub(crate) fn with_little_memory<T>(
        &self,
        mut work: impl FnMut(&Connection) -> Result<T>,
    ) -> Result<T> {
        let lean = {
            let template = self.template.read();
            let connection = template.as_ref().ok_or(Error::Closed)?.lock().try_clone()?;
            work(&connection)
        };
        match lean {
            Err(error) if error.is_out_of_memory() => self.with_connection(work),
            lean => lean,
        }
    }
}

struct Owner {
    settings: Settings,
    reach: Reach,
    connection: Option<Connection>,
    instance: Arc<Instance>,
}

impl Owner {
    fn run(mut self, queue: &Receiver<Job>) {
        for job in queue {
            if self.connection.is_none() {
                self.reopen();
            }
            let is_intact = match &self.connection {
                Some(connection) => {
                    let memory = &self.instance.memory;
                    let wide = job.is_wide.then(|| memory.widen(connection));
                    let after = (job.run)(connection);
                    drop(wide);
                    if after.lacked_memory && !job.is_wide {
                        memory.raise(connection);
                    }
                    memory.settle(connection);
                    after.is_intact
                }
                // The job is dropped, and with it the caller's reply: it sees `Closed`.
                None => continue,
            };
            if !is_intact {
                self.reopen();
            }
        }
        *self.instance.template.write() = None;
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.execute_batch("CHECKPOINT")
        {
            tracing::warn!(
                error = crate::error::message(&error),
                "database not folded on closing"
            );
        }
    }

    fn reopen(&mut self) {
        let mut template = self.instance.template.write();
        *template = None;
        self.connection = None;
        let opened = connect(&self.settings, &self.reach)
            .and_then(|connection| Ok((connection.try_clone()?, connection)));
        match opened {
            Ok((clone, connection)) => {
                tracing::warn!("database opened again after a failed write");
                self.instance.memory.renewed(&connection);
                *template = Some(Mutex::new(clone));
                self.connection = Some(connection);
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "database cannot be opened"
                );
            }
        }
    }
}

/// The job, telling what it left behind.
fn run<T>(
    work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    reply: impl FnOnce(Result<T>) + Send + 'static,
) -> Run {
    Box::new(move |connection| {
        let started = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(|| work(connection)))
            .unwrap_or_else(|_| Err(Error::internal("a database job panicked")));
        metrics::histogram!(metric::WRITE_SECONDS).record(started.elapsed().as_secs_f64());
        let after = After {
            is_intact: !result.as_ref().is_err_and(Error::is_invalidated),
            lacked_memory: result.as_ref().is_err_and(Error::is_out_of_memory),
        };
        reply(result);
        after
    })
}

/// Runs `work` in one transaction, which commits if and only if `work` succeeds.
pub(crate) fn transaction<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Result<T>,
) -> Result<T> {
    let transaction = connection.unchecked_transaction()?;
    let value = work(connection)?;
    transaction.commit()?;
    Ok(value)
}

/// Takes the lock file beside the database.
fn lock(database: &Path) -> Result<Lock> {
    let dir = database.parent().unwrap_or(Path::new("."));
    let path = database.with_extension("lock");
    let failed = |source: std::io::Error| Error::Open {
        path: path.clone(),
        source: source.into(),
    };
    std::fs::create_dir_all(dir).map_err(failed)?;
    Lock::take(&path).map_err(|error| match error {
        LockError::Held { holder, .. } => Error::Locked {
            dir: dir.to_owned(),
            holder,
        },
        LockError::Io { source, .. } => failed(source),
    })
}

/// DuckDB takes what follows a `?` for parameters: it would look for `/a?b/x.duckdb.wal` at
/// `/a.wal?b/x.duckdb`. It asks for the real path first, so no link or handle goes around that.
fn refuse_parameters(path: &Path) -> Result<()> {
    if !path.as_os_str().as_encoded_bytes().contains(&b'?') {
        return Ok(());
    }
    Err(Error::Open {
        path: path.to_owned(),
        source: std::io::Error::other(
            "its path has a `?`, which DuckDB takes for the start of parameters; set \
             TIMESTORE_DATABASE_URL to a path without `?` (the other books may stay where they are)",
        )
        .into(),
    })
}

/// Where DuckDB finds the file. Its settings are SQL, which is UTF-8 text. So a folder whose path
/// is not UTF-8 is named by an open handle.
#[derive(Debug)]
struct Reach {
    database: String,
    _folder: Option<File>,
}

impl Reach {
    fn of(path: &Path) -> Result<Self> {
        if let Some(database) = path.to_str() {
            return Ok(Self {
                database: database.to_owned(),
                _folder: None,
            });
        }
        let failed = |source: std::io::Error| Error::Open {
            path: path.to_owned(),
            source: source.into(),
        };
        let name = path.file_name().and_then(OsStr::to_str).ok_or_else(|| {
            failed(std::io::Error::other(
                "the name of the database's file must be UTF-8; its folder's may be any",
            ))
        })?;
        let folder = File::open(path.parent().unwrap_or(Path::new("."))).map_err(failed)?;
        Ok(Self {
            database: format!("/proc/self/fd/{}/{name}", folder.as_raw_fd()),
            _folder: Some(folder),
        })
    }
}

fn connect(settings: &Settings, reach: &Reach) -> Result<Connection> {
    let open = || -> duckdb::Result<Connection> {
        let config = Config::default()
            .enable_autoload_extension(false)?
            .max_memory(&format!("{}B", settings.memory_limit_bytes))?
            .threads(i64::from(settings.threads.max(1)))?;
        let connection = Connection::open_with_flags(&reach.database, config)?;
        connection.execute_batch(&lock_down(settings, &reach.database))?;
        Ok(connection)
    };
    open().map_err(|error| Error::from(error).on_opening(&settings.path))
}

/// The order matters: the paths while paths may still be set, then no others, then no settings
/// but the memory limit, which no statement of a person's reaches: it would have to be a SELECT.
fn lock_down(settings: &Settings, database: &str) -> String {
    let path = |suffix: &str| format!("'{}{suffix}'", database.replace('\'', "''"));
    format!(
        "SET GLOBAL TimeZone = 'UTC';
         SET wal_autocheckpoint = '{log}B';
         SET temp_directory = {temp};
         SET allowed_directories = [{temp}];
         SET allowed_paths = [{}, {}, {}, {}];
         SET enable_external_access = false;
         SET allowed_configs = ['memory_limit'];
         SET lock_configuration = true;",
        path(""),
        path(".wal"),
        path(".wal.checkpoint"),
        path(".wal.recovery"),
        temp = path(".tmp"),
        log = settings.log_max_bytes,
    )
}
