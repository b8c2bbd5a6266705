//! The journal's head, and how those who wait for it are woken.

use journal::{Digest, JournalId};
use parking_lot::{Condvar, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// The last committed entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its id.
    pub id: JournalId,
    /// Its digest.
    pub digest: Digest,
}

/// The head as the last commit left it: for tasks through a watch, for threads through a condition.
#[derive(Debug)]
pub(super) struct HeadSignal {
    watch: watch::Sender<Head>,
    current: Mutex<Head>,
    moved: Condvar,
}

impl HeadSignal {
    pub(super) fn new(head: Head) -> Self {
        Self {
            watch: watch::Sender::new(head),
            current: Mutex::new(head),
            moved: Condvar::new(),
        }
    }

    pub(super) fn publish(&self, head: Head) {
        *self.current.lock() = head;
        self.moved.notify_all();
        self.watch.send_replace(head);
    }

    pub(super) fn current(&self) -> Head {
        *self.current.lock()
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Head> {
        self.watch.subscribe()
    }

    /// Blocks until the head lies past `after`, at most `timeout`.
    pub(super) fn wait(&self, after: JournalId, timeout: Duration) {
        let deadline = Instant::now().checked_add(timeout);
        let mut current = self.current.lock();
        while current.id <= after {
            let Some(deadline) = deadline else {
                self.moved.wait(&mut current);
                continue;
            };
            if self.moved.wait_until(&mut current, deadline).timed_out() {
                return;
            }
        }
    }
}
