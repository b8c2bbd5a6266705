//! A thread in the background.
//!
//! Whoever holds the [`Task`] holds its life: dropping it tells the thread to stop and waits until
//! it has. The thread asks [`Stop::is_set`] between two pieces of work, and rests in
//! [`Stop::wait`], which a stop ends at once.

use parking_lot::{Condvar, Mutex};
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A running background thread. Dropping it stops the thread and waits for its end.
#[derive(Debug)]
pub struct Task {
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

impl Task {
    /// Starts `work` on a thread of this name.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn spawn(
        name: impl Into<String>,
        work: impl FnOnce(&Stop) + Send + 'static,
    ) -> io::Result<Self> {
        let stop = Stop::default();
        let told = stop.clone();
        let thread = thread::Builder::new()
            .name(name.into())
            .spawn(move || work(&told))?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }

    /// What tells the thread to stop, for whoever must stop it without waiting.
    #[must_use]
    pub fn stopper(&self) -> Stop {
        self.stop.clone()
    }

    /// Whether its thread has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.stop.set();
        let Some(thread) = self.thread.take() else {
            return;
        };
        // A thread may hold the last reference to what holds its own task.
        if thread.thread().id() == thread::current().id() {
            return;
        }
        let name = thread.thread().name().unwrap_or_default().to_owned();
        if thread.join().is_err() {
            tracing::error!(task = name, "background task panicked");
        }
    }
}

/// Whether a task is to stop. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    is_set: Mutex<bool>,
    was_set: Condvar,
}

impl Stop {
    /// Tells the task to stop. It stays told.
    pub fn set(&self) {
        *self.0.is_set.lock() = true;
        self.0.was_set.notify_all();
    }

    /// Whether the task is to stop.
    #[must_use]
    pub fn is_set(&self) -> bool {
        *self.0.is_set.lock()
    }

    /// Waits for `time`, or until the task is told to stop. Whether it is to stop.
    #[must_use]
    pub fn wait(&self, time: Duration) -> bool {
        let deadline = Instant::now().checked_add(time);
        let mut is_set = self.0.is_set.lock();
        while !*is_set {
            let Some(deadline) = deadline else {
                self.0.was_set.wait(&mut is_set);
                continue;
            };
            if self.0.was_set.wait_until(&mut is_set, deadline).timed_out() {
                break;
            }
        }
        *is_set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc::channel;

    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn dropping_a_task_ends_its_wait_and_waits_for_its_end() {
        let has_ended = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&has_ended);
        let (rests, is_resting) = channel();
        let task = Task::spawn("rests", move |stop| {
            assert!(!stop.is_set());
            rests
                .send(thread::current().name().map(str::to_owned))
                .unwrap();
            assert!(stop.wait(LONG), "a stop ends the wait");
            assert!(stop.is_set() && stop.wait(Duration::ZERO));
            ended.store(true, Ordering::SeqCst);
        })
        .unwrap();
        assert_eq!(is_resting.recv().unwrap().as_deref(), Some("rests"));
        assert!(!has_ended.load(Ordering::SeqCst));
        drop(task);
        assert!(has_ended.load(Ordering::SeqCst));
    }

    #[test]
    fn a_wait_that_nothing_ends_says_go_on() {
        assert!(!Stop::default().wait(Duration::from_millis(1)));
    }

    #[test]
    fn a_task_may_be_dropped_by_its_own_thread_and_may_panic() {
        let (give, take) = channel::<Task>();
        let (done, is_done) = channel();
        let task = Task::spawn("holds itself", move |_| {
            drop(take.recv().unwrap());
            done.send(()).unwrap();
        })
        .unwrap();
        give.send(task).unwrap();
        is_done.recv().unwrap();
        drop(Task::spawn("panics", |_| panic!("on purpose")).unwrap());
    }

    #[test]
    fn it_can_be_told_to_stop_without_being_waited_for() {
        let (done, is_done) = channel();
        let task = Task::spawn("told", move |stop| {
            assert!(stop.wait(LONG));
            done.send(()).unwrap();
        })
        .unwrap();
        assert!(!task.is_finished());
        task.stopper().set();
        is_done.recv().unwrap();
        while !task.is_finished() {
            thread::yield_now();
        }
    }
}
