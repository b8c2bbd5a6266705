//! One sync of a directory for all who wait for one.
//!
//! A sync makes durable what was done before it began. So whoever comes while one runs waits for the
//! next, which one of those who wait begins as soon as the running one has ended. However many files
//! are renamed into a directory at once, two syncs of it are enough.
//!
//! A directory is the same whoever has opened it, so there is one list of them in a process.

use parking_lot::{Condvar, Mutex, MutexGuard};
use rustix::io::Errno;
use std::collections::HashMap;
use std::os::fd::AsFd;
use std::sync::{Arc, LazyLock};

static DIRECTORIES: LazyLock<Directories> = LazyLock::new(Directories::default);

/// A device and an inode number.
type Key = (u64, u64);

/// What was done in the directory before is on the disk for good.
pub(super) fn sync(directory: impl AsFd) -> Result<(), Errno> {
    let stat = rustix::fs::fstat(&directory)?;
    let key = (stat.st_dev, stat.st_ino);
    DIRECTORIES.sync(key, || rustix::fs::fsync(&directory))
}

/// Those that somebody syncs just now.
#[derive(Debug, Default)]
struct Directories(Mutex<HashMap<Key, Arc<Directory>>>);

#[derive(Debug, Default)]
struct Directory {
    turn: Mutex<Turn>,
    has_ended: Condvar,
}

/// The syncs of a directory are numbered from 1.
#[derive(Debug, Default)]
struct Turn {
    begun: u64,
    ended: u64,
    /// The last that failed.
    failed: Option<(u64, Errno)>,
    waiting: usize,
}

impl Directories {
    fn sync(&self, key: Key, work: impl Fn() -> Result<(), Errno>) -> Result<(), Errno> {
        let directory = Arc::clone(self.0.lock().entry(key).or_default());
        let done = directory.sync(work);
        let mut directories = self.0.lock();
        // The list's and ours.
        if Arc::strong_count(&directory) == 2 {
            directories.remove(&key);
        }
        done
    }
}

impl Directory {
    fn sync(&self, work: impl Fn() -> Result<(), Errno>) -> Result<(), Errno> {
        let mut turn = self.turn.lock();
        let mine = turn.begun + 1;
        while turn.ended < mine {
            if turn.ended < turn.begun {
                turn.waiting += 1;
                self.has_ended.wait(&mut turn);
                turn.waiting -= 1;
                continue;
            }
            turn.begun += 1;
            let done = MutexGuard::unlocked(&mut turn, &work);
            turn.ended = turn.begun;
            if let Err(error) = done {
                turn.failed = Some((turn.ended, error));
            }
            if turn.waiting > 0 {
                self.has_ended.notify_all();
            }
        }
        // Whether a later failure is of what we did, nobody can tell. So it counts.
        match turn.failed {
            Some((number, error)) if number >= mine => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::time::Duration;

    const KEY: Key = (1, 2);
    const LATER: usize = 8;

    /// One syncs, and `LATER` others come meanwhile. Each sync after the first gives `later`.
    fn crowd(later: Result<(), Errno>) -> (usize, Vec<Result<(), Errno>>) {
        let directories = Directories::default();
        let syncs = AtomicUsize::new(0);
        let (begun, has_begun) = mpsc::channel();
        let (go, may_end) = mpsc::channel();
        let may_end = Mutex::new(may_end);
        let work = || {
            if syncs.fetch_add(1, Ordering::SeqCst) > 0 {
                return later;
            }
            begun.send(()).unwrap();
            may_end.lock().recv().unwrap();
            Ok(())
        };
        let sync = || directories.sync(KEY, work);
        let results = std::thread::scope(|scope| {
            let mut threads = vec![scope.spawn(sync)];
            has_begun.recv().unwrap();
            threads.extend((0..LATER).map(|_| scope.spawn(sync)));
            let waiting = || {
                let directory = directories.0.lock().get(&KEY).cloned();
                directory.map_or(0, |directory| directory.turn.lock().waiting)
            };
            testkit::wait_for("the others", Duration::from_secs(60), || match waiting() {
                LATER => Ok(()),
                waiting => Err(waiting),
            });
            go.send(()).unwrap();
            let join = |thread: std::thread::ScopedJoinHandle<'_, _>| thread.join().unwrap();
            threads.into_iter().map(join).collect()
        });
        assert!(directories.0.lock().is_empty(), "nobody syncs any more");
        (syncs.into_inner(), results)
    }

    #[test]
    fn those_who_come_while_a_directory_is_synced_share_the_next_sync() {
        let (syncs, results) = crowd(Ok(()));
        assert_eq!((syncs, results), (2, vec![Ok(()); LATER + 1]));
    }

    #[test]
    fn a_sync_that_fails_fails_for_all_who_shared_it() {
        let (syncs, results) = crowd(Err(Errno::IO));
        let mut expected = vec![Ok(())];
        expected.resize(LATER + 1, Err(Errno::IO));
        assert_eq!((syncs, results), (2, expected));
    }

    #[test]
    fn one_after_another_has_a_sync_of_its_own() {
        let directories = Directories::default();
        let syncs = AtomicUsize::new(0);
        for _ in 0..3 {
            let work = || {
                syncs.fetch_add(1, Ordering::SeqCst);
                Ok(())
            };
            directories.sync(KEY, work).unwrap();
        }
        assert_eq!(syncs.into_inner(), 3);
    }
}
