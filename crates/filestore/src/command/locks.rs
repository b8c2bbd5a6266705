//! Commands that would step on each other wait for each other.
//!
//! A command on single names holds its mount's structure shared and the stripes of its paths. A
//! command on a directory with all below it holds the structure alone. Different paths may share a
//! stripe, which costs a wait and nothing else. Everything is taken in one order, so nobody waits in
//! a circle: the idempotency key, then mounts by id, then stripes.
//!
//! A key is held as itself, since a copy may hold one for hours; and whoever asks again under a key
//! waits a while only, so that those who ask do not use up the threads.

use ::node::NodePath;
use parking_lot::{Condvar, Mutex, RwLock};
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long somebody waits for the command that holds the same key.
const KEY_WAIT: Duration = Duration::from_secs(20);

const STRIPES: u64 = 64;

#[derive(Debug)]
struct Stripes(HashMap<u64, Mutex<()>>);

impl Default for Stripes {
    fn default() -> Self {
        Self(
            (0..STRIPES)
                .map(|stripe| (stripe, Mutex::new(())))
                .collect(),
        )
    }
}

#[derive(Debug, Default)]
struct MountLocks {
    structure: RwLock<()>,
    paths: Stripes,
}

/// The keys that are held.
#[derive(Debug, Default)]
struct Keys {
    held: Mutex<HashSet<String>>,
    freed: Condvar,
}

/// A key that is held, until it goes.
struct Held<'k> {
    keys: &'k Keys,
    key: &'k str,
}

impl Keys {
    fn hold<'k>(&'k self, key: &'k str, wait: Duration) -> Option<Held<'k>> {
        let until = Instant::now() + wait;
        let mut held = self.held.lock();
        while held.contains(key) {
            if self.freed.wait_until(&mut held, until).timed_out() && held.contains(key) {
                return None;
            }
        }
        held.insert(key.to_owned());
        Some(Held { keys: self, key })
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.keys.held.lock().remove(self.key);
        self.keys.freed.notify_all();
    }
}

#[derive(Debug, Default)]
pub(super) struct Locks {
    hasher: RandomState,
    keys: Keys,
    mounts: Mutex<HashMap<i64, Arc<MountLocks>>>,
}

impl Locks {
    /// Works while nobody else works for the same idempotency key; `None` if somebody else does for
    /// too long.
    pub(super) fn with_key<T>(&self, key: &str, work: impl FnOnce() -> T) -> Option<T> {
        let _held = self.keys.hold(key, KEY_WAIT)?;
        Some(work())
    }

    /// Works on single names.
    pub(super) fn on_paths<T>(&self, paths: &[(i64, &NodePath)], work: impl FnOnce() -> T) -> T {
        let mut stripes: Vec<_> = paths
            .iter()
            .map(|(mount, path)| (*mount, self.hasher.hash_one(path) % STRIPES))
            .collect();
        stripes.sort_unstable();
        stripes.dedup();
        let mounts = self.mounts(paths.iter().map(|(mount, _)| *mount));
        let _shared: Vec<_> = mounts
            .iter()
            .map(|(_, locks)| locks.structure.read())
            .collect();
        let of_mount = |id| {
            mounts
                .iter()
                .find(|(mount, _)| *mount == id)
                .map(|(_, locks)| locks)
        };
        let _held: Vec<_> = stripes
            .iter()
            .filter_map(|(mount, stripe)| of_mount(*mount)?.paths.0.get(stripe))
            .map(Mutex::lock)
            .collect();
        work()
    }

    /// Works on whole trees.
    pub(super) fn on_trees<T>(&self, mounts: &[i64], work: impl FnOnce() -> T) -> T {
        let mounts = self.mounts(mounts.iter().copied());
        let _alone: Vec<_> = mounts
            .iter()
            .map(|(_, locks)| locks.structure.write())
            .collect();
        work()
    }

    fn mounts(&self, ids: impl Iterator<Item = i64>) -> Vec<(i64, Arc<MountLocks>)> {
        let mut ids: Vec<_> = ids.collect();
        ids.sort_unstable();
        ids.dedup();
        let mut mounts = self.mounts.lock();
        ids.into_iter()
            .map(|id| (id, Arc::clone(mounts.entry(id).or_default())))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_held_by_one_and_does_not_hold_up_another() {
        let keys = Keys::default();
        let held = keys.hold("a", Duration::ZERO).unwrap();
        assert!(keys.hold("b", Duration::ZERO).is_some());
        assert!(keys.hold("a", Duration::from_millis(1)).is_none());
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| keys.hold("a", Duration::from_secs(60)).is_some());
            drop(held);
            assert!(waiting.join().unwrap());
        });
    }
}
