//! The directories that inotify watches, and why others are not.
//!
//! A watch follows its directory, whatever its name becomes; so it is kept by the directory's
//! identity, and the node is looked up when something happens. One directory can be seen in two
//! mounts (one within the other, or bind mounts): it has one descriptor then, which names all.

use ::node::Identity;
use backend::walk;
use parking_lot::Mutex;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;
use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// What a watch tells: everything that can change a listing or the facts of a name in it. Also of
/// files that were unlinked while they are open: they may have another name ([`super::linked`]).
const TOLD: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::ONLYDIR);

/// A directory in a mount.
pub(super) type Directory = (i64, Identity);

/// How a mount is watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Coverage {
    /// Directories that are watched.
    pub(crate) watched: u64,
    /// Directories that the last whole scan saw and could not watch, and those found since.
    pub(crate) unwatched: u64,
    /// A whole scan has been through with watching on.
    pub(crate) is_surveyed: bool,
    /// Directories that nobody let us read: what is in them is not known.
    pub(crate) unreadable: u64,
    /// What happened in the mount may have been missed; a whole scan is due.
    pub(crate) is_blind: bool,
}

/// All watches of one filestore.
#[derive(Debug)]
pub(crate) struct Watches {
    inotify: OwnedFd,
    most: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    by_directory: HashMap<Directory, Watched>,
    by_descriptor: HashMap<i32, Directory>,
    /// Further directories of a descriptor, which are rare.
    further: HashMap<i32, HashSet<Directory>>,
    mounts: HashMap<i64, Mount>,
    is_full: bool,
    /// The log has been told that it is full.
    is_told: bool,
}

#[derive(Clone, Copy, Debug)]
struct Watched {
    descriptor: i32,
    /// The survey that saw it last.
    survey: u64,
}

#[derive(Debug, Default)]
struct Mount {
    coverage: Coverage,
    surveys: u64,
    /// How often something was missed.
    blinded: u64,
    /// Directories that could not be read, and the survey that found them so.
    unreadable: HashMap<Identity, u64>,
    /// Those in which something happened meanwhile.
    missed: HashSet<Identity>,
    /// Failures other than the limit are told once a mount.
    is_told: bool,
}

impl Watches {
    /// At most `most` directories are watched, and no more than the system lets this user have.
    pub(super) fn new(most: usize) -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        Ok(Self {
            inotify,
            most,
            state: Mutex::default(),
        })
    }

    pub(super) fn handle(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }

    /// What a scan of the mount, `whole` or of parts, tells of the directories that it enters.
    pub(crate) fn entrance(self: &Arc<Self>, mount_id: i64, whole: bool) -> Entrance {
        let mut state = self.state.lock();
        let mount = state.mounts.entry(mount_id).or_default();
        if whole {
            mount.surveys += 1;
        }
        Entrance {
            survey: mount.surveys,
            blinded: mount.blinded,
            watches: Arc::clone(self),
            mount_id,
            refused: Arc::default(),
        }
    }

    /// The directories behind a descriptor.
    pub(super) fn directories(&self, descriptor: i32) -> Vec<Directory> {
        let state = self.state.lock();
        let first = state.by_descriptor.get(&descriptor).copied();
        let further = state.further.get(&descriptor).into_iter().flatten();
        first.into_iter().chain(further.copied()).collect()
    }

    /// The system has taken the watch away: its directory is gone.
    pub(super) fn ended(&self, descriptor: i32) {
        let mut state = self.state.lock();
        let directories = state.by_descriptor.remove(&descriptor);
        let further = state.further.remove(&descriptor).unwrap_or_default();
        for directory in directories.into_iter().chain(further) {
            state.by_directory.remove(&directory);
            state.count_off(directory.0);
        }
        state.is_full = false;
    }

    /// Watches this directory no longer: it has left the mount.
    pub(super) fn leave(&self, directory: Directory) {
        self.state.lock().leave(&self.inotify, directory);
    }

    /// Watches nothing in this mount any more.
    pub(super) fn leave_mount(&self, mount_id: i64) {
        let mut state = self.state.lock();
        if state.mounts.remove(&mount_id).is_none() {
            return;
        }
        state.leave_all(&self.inotify, |(mount, _), _| *mount == mount_id);
    }

    /// The mounts of which something is watched.
    pub(super) fn mounts(&self) -> Vec<i64> {
        self.state.lock().mounts.keys().copied().collect()
    }

    /// Whether the directory could not be read when a scan came by last: then nobody knows which of
    /// its names changed.
    pub(super) fn was_unreadable(&self, (mount_id, identity): Directory) -> bool {
        let state = self.state.lock();
        let mount = state.mounts.get(&mount_id);
        mount.is_some_and(|mount| mount.unreadable.contains_key(&identity))
    }

    /// Something may have been missed in these mounts.
    pub(super) fn blind(&self, mounts: &[i64]) {
        let mut state = self.state.lock();
        for mount_id in mounts {
            let mount = state.mount(*mount_id);
            mount.coverage.is_blind = true;
            mount.blinded += 1;
        }
    }

    /// How a mount is watched.
    pub(crate) fn coverage(&self, mount_id: i64) -> Coverage {
        let state = self.state.lock();
        let coverage = |mount: &Mount| Coverage {
            unreadable: u64::try_from(mount.unreadable.len()).unwrap_or(u64::MAX),
            is_blind: mount.coverage.is_blind || !mount.missed.is_empty(),
            ..mount.coverage
        };
        state
            .mounts
            .get(&mount_id)
            .map(coverage)
            .unwrap_or_default()
    }

    /// Watched and unwatched directories of all mounts.
    pub(super) fn totals(&self) -> (u64, u64) {
        let state = self.state.lock();
        let coverages = state.mounts.values().map(|mount| mount.coverage);
        coverages.fold((0, 0), |(watched, unwatched), coverage| {
            (watched + coverage.watched, unwatched + coverage.unwatched)
        })
    }
}

impl State {
    fn mount(&mut self, id: i64) -> &mut Mount {
        self.mounts.entry(id).or_default()
    }

    fn count_off(&mut self, mount_id: i64) {
        if let Some(mount) = self.mounts.get_mut(&mount_id) {
            mount.coverage.watched = mount.coverage.watched.saturating_sub(1);
        }
    }

    fn leave(&mut self, inotify: &OwnedFd, directory: Directory) {
        let Some(watched) = self.by_directory.remove(&directory) else {
            return;
        };
        self.is_full = false;
        self.count_off(directory.0);
        let descriptor = watched.descriptor;
        let mut further = self.further.remove(&descriptor).unwrap_or_default();
        further.remove(&directory);
        if self.by_descriptor.get(&descriptor) == Some(&directory) {
            match further.iter().next().copied() {
                Some(other) => {
                    further.remove(&other);
                    self.by_descriptor.insert(descriptor, other);
                }
                None => {
                    self.by_descriptor.remove(&descriptor);
                    // It fails if the directory is gone, and then the watch is too.
                    let _ = inotify::remove_watch(inotify, descriptor);
                }
            }
        }
        if !further.is_empty() {
            self.further.insert(descriptor, further);
        }
    }

    fn leave_all(&mut self, inotify: &OwnedFd, is_meant: impl Fn(&Directory, &Watched) -> bool) {
        let meant = self.by_directory.iter();
        let meant = meant.filter(|(directory, watched)| is_meant(directory, watched));
        let meant: Vec<_> = meant.map(|(directory, _)| *directory).collect();
        for directory in meant {
            self.leave(inotify, directory);
        }
    }
}

/// A scan's way of saying which directories it is about to list, so that they are watched before
/// they are listed and nothing falls between.
#[derive(Clone, Debug)]
pub(crate) struct Entrance {
    watches: Arc<Watches>,
    mount_id: i64,
    survey: u64,
    blinded: u64,
    refused: Arc<AtomicU64>,
}

impl Entrance {
    fn refuse(&self, state: &mut State, error: Errno) {
        if error == Errno::NOSPC {
            state.is_full = true;
            if !std::mem::replace(&mut state.is_told, true) {
                tracing::warn!(
                    watched_directories = state.by_descriptor.len(),
                    "no more directories can be watched, the others are rescanned by period; \
                     raise FILESTORE_WATCH_MAX_DIRECTORIES or fs.inotify.max_user_watches"
                );
            }
            return;
        }
        let mount_id = self.mount_id;
        if !std::mem::replace(&mut state.mount(mount_id).is_told, true) {
            tracing::warn!(
                mount_id,
                error = &error as &dyn std::error::Error,
                "a directory cannot be watched, it is rescanned by period"
            );
        }
    }
}

impl walk::Entrance for Entrance {
    fn refused(&self, identity: Identity, is_missed: bool) {
        let mut state = self.watches.state.lock();
        let mount = state.mount(self.mount_id);
        mount.unreadable.insert(identity, self.survey);
        if is_missed {
            mount.missed.insert(identity);
        }
    }

    /// Watches a directory that is open, if it is not watched yet.
    fn enter(&self, directory: BorrowedFd<'_>, identity: Identity) {
        let mut state = self.watches.state.lock();
        let mount = state.mount(self.mount_id);
        if !mount.unreadable.is_empty() {
            mount.unreadable.remove(&identity);
            mount.missed.remove(&identity);
        }
        let key = (self.mount_id, identity);
        if let Some(watched) = state.by_directory.get_mut(&key) {
            watched.survey = watched.survey.max(self.survey);
            return;
        }
        if state.is_full {
            self.refused.fetch_add(1, Relaxed);
            return;
        }
        // Held over the call, so that nobody reads of a descriptor that is not known yet.
        let added = if state.by_descriptor.len() < self.watches.most {
            // By its handle: so it is this directory and no symlink that was put in its place.
            let handle = format!("/proc/self/fd/{}", directory.as_raw_fd());
            inotify::add_watch(&self.watches.inotify, handle.as_str(), TOLD)
        } else {
            Err(Errno::NOSPC)
        };
        match added {
            Ok(descriptor) => {
                let survey = self.survey;
                state
                    .by_directory
                    .insert(key, Watched { descriptor, survey });
                state.mount(self.mount_id).coverage.watched += 1;
                match state.by_descriptor.get(&descriptor).copied() {
                    Some(other) if other != key => {
                        state.further.entry(descriptor).or_default().insert(key);
                    }
                    _ => {
                        state.by_descriptor.insert(descriptor, key);
                    }
                }
            }
            Err(error) => {
                self.refused.fetch_add(1, Relaxed);
                self.refuse(&mut state, error);
            }
        }
    }

    /// The scan enters everything again.
    fn start_over(&self) {
        self.refused.store(0, Relaxed);
    }

    fn wants(&self, identity: Identity) -> bool {
        let state = self.watches.state.lock();
        let mount = state.mounts.get(&self.mount_id);
        if mount.is_some_and(|mount| mount.unreadable.contains_key(&identity)) {
            return true;
        }
        !state.is_full && !state.by_directory.contains_key(&(self.mount_id, identity))
    }

    /// The scan has been through. After a whole one it is known which directories are no longer in
    /// the mount, and how many are not watched.
    fn through(&self, is_whole: bool) {
        let mut state = self.watches.state.lock();
        let refused = self.refused.load(Relaxed);
        if !is_whole {
            state.mount(self.mount_id).coverage.unwatched += refused;
            return;
        }
        let (mount_id, survey) = (self.mount_id, self.survey);
        state.leave_all(&self.watches.inotify, |(mount, _), watched| {
            *mount == mount_id && watched.survey < survey
        });
        let mount = state.mount(mount_id);
        mount.unreadable.retain(|_, seen| *seen >= survey);
        // No scan sees more of what still cannot be read.
        mount.missed.clear();
        mount.coverage.unwatched = refused;
        mount.coverage.is_surveyed = true;
        // What was missed while the scan ran, the next one has to find.
        mount.coverage.is_blind &= mount.blinded != self.blinded;
        if state
            .mounts
            .values()
            .all(|mount| mount.coverage.unwatched == 0)
        {
            state.is_told = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use backend::walk::Entrance as _;
    use std::os::fd::AsFd;

    #[test]
    fn a_directory_was_unreadable_until_a_scan_enters_it() {
        let watches = Arc::new(Watches::new(10).unwrap());
        let directory = tempfile::tempdir().unwrap();
        let identity = Identity {
            dev: 0,
            ino: 7,
            born_ns: None,
        };
        let entrance = watches.entrance(1, false);
        assert!(!watches.was_unreadable((1, identity)));
        entrance.refused(identity, true);
        assert!(watches.was_unreadable((1, identity)));
        assert!(watches.coverage(1).is_blind, "something was missed in it");
        assert!(!watches.was_unreadable((2, identity)), "of another mount");
        let open = std::fs::File::open(directory.path()).unwrap();
        entrance.enter(open.as_fd(), identity);
        assert!(!watches.was_unreadable((1, identity)));
        assert!(!watches.coverage(1).is_blind);
    }
}
