//! Commands that would step on each other wait for each other.
//!
//! A command on single names holds its mount's structure shared and the stripes of its paths. A
//! command on a directory with all below it holds the structure alone. Different paths may share a
//! stripe, which costs a wait and nothing else. Everything is taken in one order, so nobody waits in
//! a circle: the idempotency key, then mounts by id, then stripes.

use crate::path::NodePath;
use parking_lot::{Mutex, RwLock};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

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

#[derive(Debug, Default)]
pub(super) struct Locks {
    hasher: RandomState,
    keys: Stripes,
    mounts: Mutex<HashMap<i64, Arc<MountLocks>>>,
}

impl Locks {
    /// Works while nobody else works for the same idempotency key.
    pub(super) fn with_key<T>(&self, key: Option<&str>, work: impl FnOnce() -> T) -> T {
        let stripe = key.map(|key| self.hasher.hash_one(key) % STRIPES);
        let _held = stripe
            .and_then(|stripe| self.keys.0.get(&stripe))
            .map(Mutex::lock);
        work()
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
