//! The thread that moves the mark.
//!
//! The sink tells it when the book is at the head and enough entries have come. It rests while there
//! is a backlog, so a catch-up has the processors for itself.

use super::fold::{Amount, fold};
use crate::error::{Error, Result};
use crate::store::Store;
use crossbeam_channel::{Receiver, Sender};
use duckdb::{Connection, InterruptHandle};
use parking_lot::Mutex;
use process::Task;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const REPEAT_INTERRUPT: Duration = Duration::from_millis(20);

/// Whoever keeps the sums.
pub(crate) struct Keeper {
    shared: Arc<Shared>,
    task: Mutex<Option<Task>>,
}

struct Shared {
    store: Arc<Store>,
    tail: i64,
    wake: Mutex<Option<Sender<()>>>,
    /// There is a backlog.
    is_behind: AtomicBool,
    /// A backlog came in the way.
    is_put_off: AtomicBool,
    is_closing: AtomicBool,
    /// Sums are made by one at a time.
    folding: Mutex<()>,
    running: Mutex<Option<Arc<InterruptHandle>>>,
}

/// What the sink tells it.
#[derive(Clone)]
pub(crate) struct Progress {
    shared: Arc<Shared>,
    /// Entries since it was woken; at first it is not known how many.
    entries: i64,
}

impl Keeper {
    /// Starts the thread. `tail` entries are left to the questions.
    pub(crate) fn start(store: Arc<Store>, tail: u64) -> Result<Self> {
        let (wake, wakes) = crossbeam_channel::bounded(1);
        let shared = Arc::new(Shared {
            store,
            tail: i64::try_from(tail).unwrap_or(i64::MAX),
            wake: Mutex::new(Some(wake)),
            is_behind: AtomicBool::new(false),
            is_put_off: AtomicBool::new(false),
            is_closing: AtomicBool::new(false),
            folding: Mutex::new(()),
            running: Mutex::new(None),
        });
        let kept = Arc::clone(&shared);
        let task = Task::spawn("timestore-usage", move |_| kept.run(&wakes))?;
        Ok(Self {
            shared,
            task: Mutex::new(Some(task)),
        })
    }

    /// What a sink tells its progress by.
    pub(crate) fn progress(&self) -> Progress {
        Progress {
            shared: Arc::clone(&self.shared),
            entries: i64::MAX,
        }
    }

    /// Sums everything up to the book's head.
    pub(crate) fn sum_all(&self) -> Result<()> {
        while self.shared.piece(true)? {}
        Ok(())
    }

    /// Ends the thread and waits for it.
    pub(crate) fn close(&self) {
        self.shared.is_closing.store(true, Ordering::Release);
        drop(self.shared.wake.lock().take());
        let Some(task) = self.task.lock().take() else {
            return;
        };
        // An interrupt that comes before its statement is lost, so it is repeated.
        while !task.is_finished() {
            if let Some(handle) = &*self.shared.running.lock() {
                handle.interrupt();
            }
            std::thread::park_timeout(REPEAT_INTERRUPT);
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.close();
    }
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").finish_non_exhaustive()
    }
}

impl Progress {
    /// So many entries came, of a backlog or not.
    pub(crate) fn add(&mut self, entries: usize, is_backlog: bool) {
        let entries = i64::try_from(entries).unwrap_or(i64::MAX);
        self.entries = self.entries.saturating_add(entries);
        self.shared.is_behind.store(is_backlog, Ordering::Release);
    }

    /// The book is at the head.
    pub(crate) fn at_head(&mut self) {
        self.shared.is_behind.store(false, Ordering::Release);
        let is_put_off = self.shared.is_put_off.swap(false, Ordering::AcqRel);
        if self.entries < self.shared.tail && !is_put_off {
            return;
        }
        self.entries = 0;
        if let Some(wake) = &*self.shared.wake.lock() {
            // It is awake already, if that is full.
            let _ = wake.try_send(());
        }
    }
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Progress").finish_non_exhaustive()
    }
}

impl Shared {
    fn run(&self, wakes: &Receiver<()>) {
        for () in wakes {
            loop {
                match self.piece(false) {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(_) if self.is_closing.load(Ordering::Acquire) => break,
                    Err(error) => {
                        let error: &dyn std::error::Error = &error;
                        tracing::warn!(error, "usage not summed; tried again later");
                        break;
                    }
                }
            }
        }
    }

    /// Sums a piece, if there is one.
    fn piece(&self, is_all: bool) -> Result<bool> {
        let _one = self.folding.lock();
        if self.is_closing.load(Ordering::Acquire) {
            return Err(Error::Closed);
        }
        if !is_all && self.is_behind.load(Ordering::Acquire) {
            self.is_put_off.store(true, Ordering::Release);
            return Ok(false);
        }
        let amount = Amount {
            tail: self.tail,
            is_all,
        };
        self.store.instance().with_little_memory(|connection| {
            let _running = self.running(connection);
            fold(&self.store, connection, amount)
        })
    }

    fn running(&self, connection: &Connection) -> impl Drop + '_ {
        *self.running.lock() = Some(connection.interrupt_handle());
        Ran(self)
    }
}

/// Nothing runs any more when it is dropped.
struct Ran<'a>(&'a Shared);

impl Drop for Ran<'_> {
    fn drop(&mut self) {
        *self.0.running.lock() = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Settings;
    use crate::usage::mark;
    use crate::{activity, catalogue, store};

    const ROWS: &str = "INSERT INTO main.filestore_activity
        (observed_at, event_type, node_id, backend_mount_id, path, state, size_bytes, size_delta,
            journal_id, kind, version, file_delta)
        SELECT '2026-03-01'::TIMESTAMP, 'filestore.node.created', i, 1, 'f' || i, 'active', 1, 1, i,
            'file', 1, 1
        FROM range(1, 31) AS rows(i);
        INSERT INTO tidemark.filestore_sync
        VALUES ('0192f0e4-7a5b-7c3d-8e9f-0123456789ab', 30, repeat('5f', 32), 0)";

    #[test]
    fn the_thread_sums_at_the_head_and_rests_while_there_is_a_backlog() {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings {
            path: dir.path().join("timestore.duckdb"),
            memory_limit_bytes: 64 << 20,
            batch_memory_bytes: 64 << 20,
            threads: 1,
            log_max_bytes: 32 << 20,
        };
        let prepare = |connection: &Connection| {
            store::transaction(connection, |connection| {
                catalogue::prepare(connection)?;
                activity::create(connection, "filestore_activity")?;
                Ok(connection.execute_batch(ROWS)?)
            })
        };
        let store = Arc::new(Store::open(settings, prepare).unwrap());
        let keeper = Keeper::start(Arc::clone(&store), 20).unwrap();
        let summed = || {
            let mark = store.write_blocking(mark).unwrap();
            mark.journal_id
        };
        let mut progress = keeper.progress();
        progress.add(30, true);
        assert!(!keeper.shared.piece(false).unwrap());
        assert_eq!(summed(), 0);
        progress.at_head();
        // The last ten are fewer than a tail.
        testkit::wait_for("the sums", Duration::from_secs(60), || match summed() {
            20 => Ok(()),
            other => Err(other),
        });
        keeper.close();
    }
}
