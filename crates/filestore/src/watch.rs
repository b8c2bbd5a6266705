//! Watching: what changes behind Tidemark's back is seen at once, where inotify can see it.
//!
//! ```text
//! inotify ─▶ reader ──▶ pending (bounded) ──settles──▶ worker ──▶ scan of those names
//!    ▲      (thread)                                  (thread)         │
//!    └───────────── each directory, before it is listed ◀──────────────┘
//! ```
//!
//! **A watch is a hint, and comparing is the truth.** An event says where to look; what is found
//! there, by a scan of parts ([`crate::scan`]), is what is written. So an event that is lost,
//! doubled or raised by our own commands changes nothing but the time at which a change is seen,
//! and the journal has no entry that a scan would not have made.
//!
//! - Whatever a scan lists is watched before it is listed ([`backend::walk::Entrance`]): nothing falls between, and
//!   the first scan does the watching on its way. Directories are watched by their open handles;
//!   so no symlink is followed, no other filesystem is entered that the scan does not enter, and
//!   paths may be as long as they like.
//! - A watch belongs to a directory's identity ([`watches`]) and stays with it through renames.
//! - Events settle for a moment ([`pending`]) and come as a set of names in directories; so the
//!   two ends of a rename are looked at together, and an editor's dance makes one change. A file
//!   that is being written is looked at every two seconds.
//! - Only which directory was renamed the watch says itself, where a filesystem keeps no birth times
//!   ([`renames`]): nothing that is found there later tells.
//! - The events of our own commands cost one look at the name, which then agrees with the node. A
//!   command that is not committed yet is left to tell of itself (`scan::write`).
//! - When the kernel's queue overflows, or very much changed, whole mounts are scanned.
//! - What cannot be watched (a limit of the system or of ours, a filesystem that other machines
//!   write to) is rescanned by period as if nothing were watched ([`crate::rescan`]); so is
//!   everything, at a longer period, as a net. [`Coverage`] tells.
//!
//! This talks to inotify itself: the crate `notify` watches paths, which a rename makes wrong and a
//! symlink can lead astray, gives up a whole tree when one watch fails, and does not say which.

mod linked;
mod mounted;
mod pending;
mod renames;
mod status;
mod system;
mod watches;

use crate::scan::{Part, Rename, ScanError, ScanOptions, Scanner, Scope, Task};
use ::node::{Identity, name};
use catalogue::Catalogue;
use catalogue::DirectoryRef;
use catalogue::{StoreError, mounts, nodes};
use journal::ReconcileReason;
use linked::Linked;
use mounted::MountPoints;
use parking_lot::{Condvar, Mutex};
use pending::{Batch, Pending, Settling, Touched};
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::fs::inotify::{Event, ReadFlags, Reader};
use rustix::io::Errno;
pub(crate) use status::Watching;
pub use status::{WatchState, WatchStatus};
use std::collections::{HashMap, HashSet};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};
pub(crate) use system::is_shared;
use tokio_util::sync::CancellationToken;
use watches::Directory;
pub(crate) use watches::{Coverage, Watches};

/// The command's name in the journal.
pub(crate) const COMMAND: &str = "watch";

/// The bytes of one read: some hundred events.
const READ_BYTES: usize = 64 * 1024;

/// Called before events are read: for tests that make the kernel's queue overflow.
pub type OnRead = Arc<dyn Fn() + Send + Sync>;

/// How mounts are watched.
#[derive(Clone)]
pub struct WatchOptions {
    /// Directories that are watched, at most, besides what the system allows.
    pub most_directories: usize,
    /// How long it must be quiet before changes are looked at; ten times as long at most, if it
    /// does not become quiet.
    pub settle: Duration,
    /// All mounts are scanned at once, and watched by that.
    pub scans_first: bool,
    /// Called before events are read.
    pub on_read: Option<OnRead>,
}

impl Default for WatchOptions {
    fn default() -> Self {
        Self {
            most_directories: usize::MAX,
            settle: Duration::from_millis(100),
            scans_first: false,
            on_read: None,
        }
    }
}

impl std::fmt::Debug for WatchOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WatchOptions")
            .field("most_directories", &self.most_directories)
            .field("settle", &self.settle)
            .field("scans_first", &self.scans_first)
            .finish_non_exhaustive()
    }
}

/// The threads that watch. They stop, and stop the scan they run, when this is dropped or the
/// filestore is closed.
#[derive(Debug)]
pub struct Watch {
    shared: Arc<Shared>,
    tasks: Vec<process::Task>,
}

struct Shared {
    catalogue: Arc<Catalogue>,
    scanner: Arc<Scanner>,
    watching: Arc<Watching>,
    watches: Arc<Watches>,
    pending: Mutex<Pending>,
    changed: Condvar,
    /// Becomes readable when it is over.
    over: OwnedFd,
    cancel: CancellationToken,
    on_read: Option<OnRead>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("watches", &self.watches)
            .finish_non_exhaustive()
    }
}

impl Watch {
    pub(crate) fn of(
        catalogue: Arc<Catalogue>,
        scanner: Arc<Scanner>,
        watching: Arc<Watching>,
        closing: &CancellationToken,
        options: WatchOptions,
    ) -> io::Result<Self> {
        status::describe();
        let watches = Arc::new(Watches::new(options.most_directories)?);
        let settling = Settling {
            quiet: options.settle,
            longest: options.settle.saturating_mul(10),
            growing: options.settle.saturating_mul(20),
        };
        let shared = Arc::new(Shared {
            cancel: closing.child_token(),
            watches: Arc::clone(&watches),
            pending: Mutex::new(Pending::new(settling)),
            changed: Condvar::new(),
            over: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            on_read: options.on_read,
            catalogue: Arc::clone(&catalogue),
            scanner,
            watching: Arc::clone(&watching),
        });
        watching.begin(watches);
        if options.scans_first {
            let mounts = catalogue.read(mounts::all).map_err(io::Error::other)?;
            let mounts = mounts.iter().map(|mount| mount.id);
            shared.pending.lock().all(mounts, Instant::now());
        }
        let mut watch = Self {
            shared: Arc::clone(&shared),
            tasks: Vec::new(),
        };
        let worker = Worker {
            shared: Arc::clone(&shared),
            failing: HashSet::new(),
            undecided: HashSet::new(),
        };
        let reader = process::Task::spawn("filestore-watch", move |_| shared.read())?;
        watch.tasks.push(reader);
        let worker = process::Task::spawn("filestore-look", move |_| worker.run())?;
        watch.tasks.push(worker);
        Ok(watch)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let shared = &self.shared;
        shared.watching.end();
        shared.cancel.cancel();
        // It cannot fail: the counter is far from full.
        let _ = rustix::io::write(&shared.over, &1_u64.to_ne_bytes());
        drop(shared.pending.lock());
        shared.changed.notify_all();
    }
}

impl Shared {
    /// Reads events until it is over.
    fn read(&self) {
        let mut buffer = vec![MaybeUninit::<u8>::uninit(); READ_BYTES];
        let (table, mut points) = (MountPoints::open(), MountPoints::default());
        let mut linked = Linked::default();
        self.look_at_mount_points(&mut points);
        loop {
            let mut ready = vec![
                PollFd::new(&self.over, PollFlags::IN),
                PollFd::from_borrowed_fd(self.watches.handle(), PollFlags::IN),
            ];
            ready.extend(table.iter().map(|table| PollFd::new(table, PollFlags::PRI)));
            match poll(&mut ready, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return self.fail(error),
            }
            if ready.first().is_some_and(|over| !over.revents().is_empty()) {
                return;
            }
            if ready
                .get(2)
                .is_some_and(|table| !table.revents().is_empty())
            {
                self.look_at_mount_points(&mut points);
            }
            if let Some(on_read) = &self.on_read {
                on_read();
            }
            let mut reader = Reader::new(self.watches.handle(), &mut buffer);
            loop {
                match reader.next() {
                    Ok(event) => self.take(&event, &mut linked),
                    Err(Errno::AGAIN) => break,
                    Err(Errno::INTR) => {}
                    Err(error) => return self.fail(error),
                }
            }
            self.changed.notify_all();
        }
    }

    /// Mounts in which something was mounted or unmounted are scanned.
    fn look_at_mount_points(&self, points: &mut MountPoints) {
        let Ok(mounts) = self.catalogue.read(mounts::all) else {
            return;
        };
        let changed = points.changed(&mounts);
        if changed.is_empty() {
            return;
        }
        self.watches.blind(&changed);
        self.pending.lock().all(changed, Instant::now());
    }

    /// Nothing is seen any more: the periodic rescan has to do.
    fn fail(&self, error: Errno) {
        let error = &error as &dyn std::error::Error;
        tracing::error!(
            error,
            "watching has stopped, mounts are rescanned by period"
        );
        self.watching.end();
    }

    fn take(&self, event: &Event<'_>, linked: &mut Linked) {
        status::count_event();
        let (flags, now) = (event.events(), Instant::now());
        if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
            status::count_overflow();
            let mounts = self.watches.mounts();
            tracing::warn!("more changed at once than the system tells of, mounts are scanned");
            self.watches.blind(&mounts);
            let mut pending = self.pending.lock();
            pending.renames.clear();
            return pending.all(mounts, now);
        }
        let directories = self.watches.directories(event.wd());
        if flags.contains(ReadFlags::UNMOUNT) {
            let mounts: Vec<_> = directories.iter().map(|(mount, _)| *mount).collect();
            self.watches.blind(&mounts);
            self.pending.lock().all(mounts, now);
        }
        if flags.contains(ReadFlags::IGNORED) {
            return self.watches.ended(event.wd());
        }
        let Some(changed) = event.file_name() else {
            return;
        };
        let changed = name::from_bytes(changed.to_bytes());
        let is_growing = flags == ReadFlags::MODIFY;
        let mut pending = self.pending.lock();
        for directory in directories {
            if flags.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) {
                linked.came(directory, &changed);
            } else if flags.intersects(ReadFlags::DELETE | ReadFlags::MOVED_FROM) {
                linked.went(directory, &changed);
            } else {
                for (at, name) in linked.written(directory, &changed) {
                    pending.touch(at, name, is_growing, now);
                }
            }
            let (_, identity) = directory;
            if flags.contains(ReadFlags::ISDIR) && identity.born_ns.is_none() {
                pending
                    .renames
                    .saw(flags, event.cookie(), directory, &changed);
            }
            pending.touch(directory, changed.clone(), is_growing, now);
        }
    }
}

/// The thread that looks at what has settled.
struct Worker {
    shared: Arc<Shared>,
    /// Mounts whose scans fail, which is told once.
    failing: HashSet<i64>,
    /// Mounts in which nothing was decided by the last look: the next one decides.
    undecided: HashSet<i64>,
}

impl Worker {
    fn run(mut self) {
        while let Some(batch) = self.next() {
            match self.look(batch) {
                Ok(()) => {}
                // The filestore is closed.
                Err(StoreError::Closed) => return,
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "mounts cannot be read");
                    self.shared.watches.blind(&self.shared.watches.mounts());
                }
            }
            status::measure(&self.shared.watches);
        }
    }

    /// What has settled; `None` when it is over.
    fn next(&self) -> Option<Batch> {
        let Shared {
            pending,
            changed,
            cancel,
            ..
        } = &*self.shared;
        let mut pending = pending.lock();
        loop {
            if cancel.is_cancelled() {
                return None;
            }
            let now = Instant::now();
            match pending.due() {
                Some(due) if due <= now => return Some(pending.take(now)),
                Some(due) => {
                    changed.wait_until(&mut pending, due);
                }
                None => changed.wait(&mut pending),
            }
        }
    }

    fn look(&mut self, mut batch: Batch) -> Result<(), StoreError> {
        let mounts = self.shared.catalogue.read(mounts::all)?;
        let mounts = mounts
            .iter()
            .filter(|mount| crate::scan::is_watchable(mount));
        let mounts: HashSet<_> = mounts.map(|mount| mount.id).collect();
        let mut parts: HashMap<i64, HashMap<Directory, Touched>> = HashMap::new();
        for (directory, touched) in batch.touched {
            let of_mount = parts.entry(directory.0).or_default();
            of_mount.insert(directory, touched);
        }
        for mount_id in batch.whole.iter().chain(parts.keys()) {
            if !mounts.contains(mount_id) {
                self.shared.watches.leave_mount(*mount_id);
            }
        }
        for mount_id in batch.whole.intersection(&mounts) {
            let task = Task {
                renames: batch.renames.remove(mount_id).unwrap_or_default(),
                ..Task::whole(COMMAND, ReconcileReason::Drift)
            };
            self.scan(*mount_id, &task);
        }
        for (mount_id, touched) in parts {
            if mounts.contains(&mount_id) {
                let renames = batch.renames.remove(&mount_id).unwrap_or_default();
                self.look_at_parts(mount_id, touched, renames)?;
            }
        }
        Ok(())
    }

    fn look_at_parts(
        &mut self,
        mount_id: i64,
        touched: HashMap<Directory, Touched>,
        renames: Vec<Rename>,
    ) -> Result<(), StoreError> {
        let watches = &self.shared.watches;
        let part = |(directory, touched): (&Directory, &Touched)| Part {
            directory: DirectoryRef::Identity(directory.1),
            names: match touched {
                // What happened while it could not be read may be in any of its names.
                Touched::Names(names) if !watches.was_unreadable(*directory) => {
                    Some(names.iter().cloned().collect())
                }
                Touched::Names(_) | Touched::Listing => None,
            },
        };
        let task = Task {
            scope: Scope::Parts(touched.iter().map(part).collect()),
            command: COMMAND,
            reason: ReconcileReason::Drift,
            tells_reconciled: false,
            is_deep: false,
            // A rename that was told is told only once.
            waits: !self.undecided.remove(&mount_id) && renames.is_empty(),
            renames,
        };
        let Some(leftover) = self.scan(mount_id, &task) else {
            return Ok(());
        };
        if leftover.is_undecided {
            self.undecided.insert(mount_id);
            self.shared.pending.lock().again(touched, Instant::now());
            return Ok(());
        }
        let mut again = HashMap::new();
        for identity in &leftover.unknown {
            let directory = (mount_id, *identity);
            // The scan itself may have found it, and then it is watched.
            if self.is_known(directory)? {
                again.extend(
                    touched
                        .get_key_value(&directory)
                        .map(|(at, touched)| (*at, touched.clone())),
                );
                continue;
            }
            self.shared.watches.leave(directory);
            // It has left the mount, and a node says so. Or nobody knows what it was, or the
            // filesystem does not keep its numbers: then what happened in it was missed.
            if identity.born_ns.is_none() || !self.has_left(*identity)? {
                self.shared.watches.blind(&[mount_id]);
            }
        }
        if leftover.is_postponed {
            again = touched;
        }
        if !again.is_empty() {
            self.shared.pending.lock().again(again, Instant::now());
        }
        Ok(())
    }

    /// Whether a node is this directory now.
    fn is_known(&self, (mount_id, identity): Directory) -> Result<bool, StoreError> {
        self.shared.catalogue.read(|connection| {
            let nodes = nodes::directories_of(connection, mount_id, identity)?;
            Ok(!nodes.is_empty())
        })
    }

    /// Whether a node was this directory, which is not in this mount any more.
    fn has_left(&self, identity: Identity) -> Result<bool, StoreError> {
        let catalogue = &self.shared.catalogue;
        catalogue.read(|tx| nodes::is_or_was_directory(tx, identity))
    }

    /// Scans; a failure is told once, and left to the periodic rescan.
    fn scan(&mut self, mount_id: i64, task: &Task) -> Option<crate::scan::Leftover> {
        let options = ScanOptions {
            cancel: self.shared.cancel.clone(),
            ..ScanOptions::default()
        };
        match self.shared.scanner.scan_task(mount_id, task, &options) {
            Ok((_, leftover)) => {
                self.failing.remove(&mount_id);
                Some(leftover)
            }
            Err(ScanError::Cancelled) => None,
            Err(error) => {
                self.shared.watches.blind(&[mount_id]);
                if self.failing.insert(mount_id) {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(
                        mount_id,
                        error,
                        "what changed cannot be looked at, the mount is rescanned by period"
                    );
                }
                None
            }
        }
    }
}
