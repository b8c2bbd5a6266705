//! Content hashes in the background, for the mounts whose configuration asks for them.
//!
//! ```text
//! nodes without a hash ──▶ due ──▶ readers (paced, yielding) ──▶ results ──▶ one transaction
//!   (a pass, then the journal)      (threads of the mount)                    of many nodes
//! ```
//!
//! - **What is to be done** the nodes say ([`due`]): there is no queue that could be lost or grow,
//!   and what was done before a crash is not done again.
//! - **A hash is of what the catalogue knows.** A file is read only if it is what its node says and
//!   has been quiet for a moment; it must be the same after it was read ([`backend::hash::content`]);
//!   and its node must still be of that state when the hash is written. So a stale hash is never
//!   stored, whoever writes meanwhile.
//! - **It stands back.** A mount has a pace ([`pace`]) and a number of files that are read at once.
//!   Before each read it waits while the mount is scanned, and a moment while commands run: they
//!   are slowed little, and hashing never starves.
//! - **What cannot be hashed** is counted and left: a file that cannot be read until it changes or
//!   the service starts again; one that keeps changing until the journal tells of it again. A mount
//!   that cannot be reached is waited for, and nothing of it is counted.
//! - Each hash is journalled as `filestore.node.updated` by the command `hash`, so that it comes to
//!   the other books like everything else.

mod doubt;
mod due;
mod pace;
mod status;
mod work;

#[cfg(test)]
pub(crate) use status::HashingState;
pub(crate) use status::HashingStatus;

use crate::command::Running;
use crate::mount::{Mounts, Policy};
use crate::open_mount::Opener;
use crate::scan::Scanner;
use catalogue::mounts::{self, Mount, MountState};
use catalogue::{Catalogue, StoreError};
use doubt::Doubts;
use parking_lot::Mutex;
use process::{Stop, Task};
use serde_json::Value;
use status::Progress;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The command's name in the journal.
pub(crate) const COMMAND: &str = "hash";

/// How often whoever waits looks whether it is over, or whether the settings have changed.
const POLL: Duration = Duration::from_millis(100);

/// The hashing of one filestore: what it needs, and how it is doing.
#[derive(Debug)]
pub(crate) struct Hasher {
    catalogue: Arc<Catalogue>,
    opener: Arc<Opener>,
    mounts: Arc<Mounts>,
    scanner: Arc<Scanner>,
    commands: Arc<Running>,
    /// Cancelled when the filestore closes.
    closing: CancellationToken,
    progress: Mutex<HashMap<i64, Arc<Progress>>>,
}

impl Hasher {
    pub(crate) fn new(
        catalogue: Arc<Catalogue>,
        opener: Arc<Opener>,
        mounts: Arc<Mounts>,
        scanner: Arc<Scanner>,
        commands: Arc<Running>,
        closing: CancellationToken,
    ) -> Self {
        Self {
            catalogue,
            opener,
            mounts,
            scanner,
            commands,
            closing,
            progress: Mutex::default(),
        }
    }

    fn progress(&self, mount_id: i64) -> Option<Arc<Progress>> {
        self.progress.lock().get(&mount_id).map(Arc::clone)
    }
}

/// The threads that hash. They stop when this is dropped or the filestore is closed.
#[derive(Debug)]
pub struct Hashing(#[expect(dead_code, reason = "held for their lives")] [Task; 2]);

impl Hashing {
    pub(crate) fn of(hasher: Arc<Hasher>) -> std::io::Result<Self> {
        status::describe();
        let doubts = Doubts {
            hasher: Arc::clone(&hasher),
        };
        let supervisor = Supervisor {
            hasher,
            running: HashMap::new(),
        };
        let hashing = Task::spawn("filestore-hashing", move |stop| supervisor.run(stop))?;
        let doubts = Task::spawn("filestore-doubts", move |stop| doubts.run(stop))?;
        Ok(Self([hashing, doubts]))
    }
}

/// A mount that is being hashed.
struct Following {
    /// What it follows.
    settings: Value,
    _task: Task,
}

/// Sees to it that each mount with a policy has its threads, and no other.
struct Supervisor {
    hasher: Arc<Hasher>,
    running: HashMap<i64, Following>,
}

impl Supervisor {
    fn run(mut self, stop: &Stop) {
        let mut seen = None;
        loop {
            let changes = self.hasher.mounts.changes();
            if seen != Some(changes) {
                match self.follow_settings() {
                    Ok(()) => seen = Some(changes),
                    Err(StoreError::Closed) => return,
                    Err(error) => {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(error, "settings of hashing cannot be read");
                    }
                }
            }
            let board = self.hasher.progress.lock();
            status::measure(board.values().map(|progress| &**progress));
            drop(board);
            if stop.wait(POLL) || self.hasher.closing.is_cancelled() {
                return;
            }
        }
    }

    fn follow_settings(&mut self) -> Result<(), StoreError> {
        let mounts = self.hasher.catalogue.read(mounts::all)?;
        let mut wanted: HashMap<i64, (Value, Policy)> = HashMap::new();
        for mount in &mounts {
            if let Some(policy) = policy_of(mount) {
                let settings = mount.config.get("hashing").cloned().unwrap_or_default();
                wanted.insert(mount.id, (settings, policy));
            }
        }
        self.running.retain(|id, running| {
            wanted
                .get(id)
                .is_some_and(|(settings, _)| *settings == running.settings)
        });
        let is_running = |id: &i64| self.running.contains_key(id);
        self.hasher.progress.lock().retain(|id, _| is_running(id));
        for (id, (settings, policy)) in wanted {
            if !self.running.contains_key(&id) {
                self.start(id, settings, policy);
            }
        }
        Ok(())
    }

    fn start(&mut self, mount_id: i64, settings: Value, policy: Policy) {
        let progress = Arc::new(Progress::default());
        let (hasher, seen) = (Arc::clone(&self.hasher), Arc::clone(&progress));
        let task = Task::spawn(format!("hash-{mount_id}"), move |stop| {
            work::Work::new(hasher, mount_id, policy, seen, stop.clone()).run();
        });
        match task {
            Ok(task) => {
                let mut board = self.hasher.progress.lock();
                board.insert(mount_id, progress);
                let running = Following {
                    settings,
                    _task: task,
                };
                self.running.insert(mount_id, running);
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(mount_id, error, "no thread to hash a mount");
            }
        }
    }
}

/// The policy to be followed now.
fn policy_of(mount: &Mount) -> Option<Policy> {
    // It was looked at when it was set.
    let policy = Policy::parse(&mount.config).ok().flatten()?;
    (mount.state == MountState::Active && !policy.is_paused).then_some(policy)
}
