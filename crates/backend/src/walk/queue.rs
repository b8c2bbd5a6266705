//! The directories that wait for a thread.

use parking_lot::{Condvar, Mutex};
use std::sync::Arc;

/// A subdirectory to walk, by its name in the listing it was found in.
#[derive(Debug)]
pub(super) struct Pending<C> {
    pub(super) name: String,
    /// What must stand there.
    pub(super) identity: Option<node::Identity>,
    pub(super) context: C,
}

/// A directory to walk now. `parent` is the path of the listing it was found in.
#[derive(Debug)]
pub(super) struct Work<C> {
    pub(super) parent: Arc<str>,
    pub(super) pending: Pending<C>,
}

#[derive(Debug)]
struct Frame<C> {
    parent: Arc<str>,
    children: std::vec::IntoIter<Pending<C>>,
}

#[derive(Debug)]
struct State<C> {
    frames: Vec<Frame<C>>,
    busy: usize,
    is_stopped: bool,
}

/// A stack of listings: the subdirectories of the newest come first, so that it holds about as
/// many as one way down the tree has siblings, and not one handle.
#[derive(Debug)]
pub(super) struct Queue<C> {
    state: Mutex<State<C>>,
    wake: Condvar,
}

impl<C> Queue<C> {
    /// The names of the first are whole paths.
    pub(super) fn new(first: Vec<Pending<C>>) -> Self {
        let frame = Frame {
            parent: Arc::from(""),
            children: first.into_iter(),
        };
        let state = State {
            frames: vec![frame],
            busy: 0,
            is_stopped: false,
        };
        Self {
            state: Mutex::new(state),
            wake: Condvar::new(),
        }
    }

    /// The next directory. Waits while others are busy, for they may find more; `None` when all
    /// is done. Who gets one calls [`Queue::done`].
    pub(super) fn pop(&self) -> Option<Work<C>> {
        let mut state = self.state.lock();
        loop {
            if state.is_stopped {
                return None;
            }
            while let Some(frame) = state.frames.last_mut() {
                if let Some(pending) = frame.children.next() {
                    let work = Work {
                        parent: Arc::clone(&frame.parent),
                        pending,
                    };
                    state.busy += 1;
                    return Some(work);
                }
                state.frames.pop();
            }
            if state.busy == 0 {
                return None;
            }
            self.wake.wait(&mut state);
        }
    }

    /// Adds the subdirectories of the listing at `parent`.
    pub(super) fn push(&self, parent: &str, children: Vec<Pending<C>>) {
        if children.is_empty() {
            return;
        }
        let frame = Frame {
            parent: Arc::from(parent),
            children: children.into_iter(),
        };
        self.state.lock().frames.push(frame);
        self.wake.notify_all();
    }

    /// One popped directory is dealt with, and its subdirectories are pushed.
    pub(super) fn done(&self) {
        let mut state = self.state.lock();
        state.busy -= 1;
        if state.busy == 0 {
            self.wake.notify_all();
        }
    }

    /// Nobody gets another directory.
    pub(super) fn stop(&self) {
        self.state.lock().is_stopped = true;
        self.wake.notify_all();
    }
}
