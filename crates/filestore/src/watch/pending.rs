//! What happened and has not been looked at yet, bounded.
//!
//! Names are gathered by directory, so that a scan asks about just them; a directory in which many
//! names changed is listed instead, and if very many directories changed, whole mounts are scanned.
//! How long the scans take therefore never shows in memory.

use super::renames::Renames;
use super::watches::Directory;
use crate::scan::Rename;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant};

/// Names of one directory that are kept apart.
const NAMES: usize = 256;
/// Directories that are kept apart.
const DIRECTORIES: usize = 8_192;

/// What is to be looked at in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Touched {
    Names(BTreeSet<String>),
    Listing,
}

/// What is to be looked at in all.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) touched: HashMap<Directory, Touched>,
    /// Mounts that are to be scanned wholly.
    pub(super) whole: HashSet<i64>,
    /// Directories that were seen to be renamed, by mount.
    pub(super) renames: HashMap<i64, Vec<Rename>>,
}

/// How long things settle before they are looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settling {
    /// After the last change.
    pub(super) quiet: Duration,
    /// After the first change, at most.
    pub(super) longest: Duration,
    /// After the first write to a file that stays open.
    pub(super) growing: Duration,
}

/// One kind of change that settles together.
#[derive(Debug, Default)]
struct Heap {
    touched: HashMap<Directory, Touched>,
    first: Option<Instant>,
    last: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct Pending {
    settling: Settling,
    /// Names that came, went, or were written and closed.
    settled: Heap,
    /// Files that are being written: a log that grows all day is not looked at at each line.
    growing: Heap,
    whole: HashSet<i64>,
    pub(super) renames: Renames,
}

impl Pending {
    pub(super) fn new(settling: Settling) -> Self {
        Self {
            settling,
            settled: Heap::default(),
            growing: Heap::default(),
            whole: HashSet::new(),
            renames: Renames::default(),
        }
    }

    /// A name changed. `is_growing`: it was written to, and may be written to again.
    pub(super) fn touch(&mut self, at: Directory, name: String, is_growing: bool, now: Instant) {
        if self.whole.contains(&at.0) {
            self.settled.mark(now);
            return;
        }
        let heap = if is_growing {
            &mut self.growing
        } else {
            &mut self.settled
        };
        heap.mark(now);
        let is_full = heap.touched.len() >= DIRECTORIES;
        match heap.touched.get_mut(&at) {
            Some(Touched::Names(names)) if names.len() < NAMES => {
                names.insert(name);
            }
            Some(touched) => *touched = Touched::Listing,
            None if is_full => self.all([at.0], now),
            None => {
                let names = Touched::Names(BTreeSet::from([name]));
                heap.touched.insert(at, names);
            }
        }
    }

    /// Anything may have changed in these mounts.
    pub(super) fn all(&mut self, mounts: impl IntoIterator<Item = i64>, now: Instant) {
        self.settled.mark(now);
        for mount in mounts {
            self.whole.insert(mount);
            for heap in [&mut self.settled, &mut self.growing] {
                heap.touched.retain(|(other, _), _| *other != mount);
            }
        }
    }

    /// What was looked at is to be looked at again.
    pub(super) fn again(&mut self, touched: HashMap<Directory, Touched>, now: Instant) {
        let mut batch = Batch {
            touched: std::mem::take(&mut self.settled.touched),
            ..Batch::default()
        };
        for (directory, touched) in touched {
            batch.add(directory, touched);
        }
        self.settled.touched = batch.touched;
        self.settled.mark(now);
    }

    /// When there is something to look at; `None` if nothing happened.
    pub(super) fn due(&self) -> Option<Instant> {
        let Settling {
            quiet,
            longest,
            growing,
        } = self.settling;
        let settled = match (self.settled.first, self.settled.last) {
            (Some(first), Some(last)) => Some((last + quiet).min(first + longest)),
            _ => None,
        };
        let growing = self.growing.first.map(|first| first + growing);
        settled.into_iter().chain(growing).min()
    }

    /// Takes what is due.
    pub(super) fn take(&mut self, now: Instant) -> Batch {
        let mut batch = Batch {
            touched: std::mem::take(&mut self.settled).touched,
            whole: std::mem::take(&mut self.whole),
            renames: HashMap::new(),
        };
        for (mount, rename) in self.renames.take() {
            batch.renames.entry(mount).or_default().push(rename);
        }
        let is_due = |first| first + self.settling.growing <= now;
        if self.growing.first.is_some_and(is_due) {
            for (directory, touched) in std::mem::take(&mut self.growing).touched {
                batch.add(directory, touched);
            }
        }
        batch
    }
}

impl Heap {
    fn mark(&mut self, now: Instant) {
        self.first.get_or_insert(now);
        self.last = Some(now);
    }
}

impl Batch {
    fn add(&mut self, directory: Directory, touched: Touched) {
        match (self.touched.get_mut(&directory), touched) {
            (Some(Touched::Names(names)), Touched::Names(more)) => names.extend(more),
            (Some(there), Touched::Listing) => *there = Touched::Listing,
            (Some(Touched::Listing), _) => {}
            (None, touched) => {
                self.touched.insert(directory, touched);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::node::Identity;

    const SETTLING: Settling = Settling {
        quiet: Duration::from_millis(100),
        longest: Duration::from_secs(1),
        growing: Duration::from_secs(2),
    };

    fn directory(mount: i64, ino: i64) -> Directory {
        let identity = Identity {
            dev: 0,
            ino,
            born_ns: Some(::node::Moment::from_nanos(1)),
        };
        (mount, identity)
    }

    #[test]
    fn changes_settle_until_it_is_quiet_and_no_longer_than_the_bound() {
        let (mut pending, start) = (Pending::new(SETTLING), Instant::now());
        assert_eq!(pending.due(), None);
        for step in 0..20 {
            let now = start + Duration::from_millis(step * 80);
            pending.touch(directory(1, 1), format!("f{step}"), false, now);
            let quiet = (now + SETTLING.quiet).min(start + SETTLING.longest);
            assert_eq!(pending.due(), Some(quiet));
        }
        let batch = pending.take(start + SETTLING.longest);
        assert!(
            matches!(&batch.touched[&directory(1, 1)], Touched::Names(names) if names.len() == 20)
        );
        assert_eq!(pending.due(), None);
    }

    #[test]
    fn a_file_that_grows_is_looked_at_now_and_then() {
        let (mut pending, start) = (Pending::new(SETTLING), Instant::now());
        pending.touch(directory(1, 1), "log".to_owned(), true, start);
        pending.touch(
            directory(1, 1),
            "log".to_owned(),
            true,
            start + SETTLING.quiet,
        );
        assert_eq!(pending.due(), Some(start + SETTLING.growing));
        assert_eq!(pending.take(start + SETTLING.quiet), Batch::default());
        pending.touch(directory(1, 1), "new".to_owned(), false, start);
        let batch = pending.take(start + SETTLING.growing);
        assert!(
            matches!(&batch.touched[&directory(1, 1)], Touched::Names(names) if names.len() == 2)
        );
    }

    #[test]
    fn many_names_become_a_listing_and_many_directories_a_whole_mount() {
        let (mut pending, now) = (Pending::new(SETTLING), Instant::now());
        for name in 0..=NAMES {
            pending.touch(directory(1, 1), name.to_string(), false, now);
        }
        assert_eq!(pending.settled.touched[&directory(1, 1)], Touched::Listing);
        for ino in 0..=i64::try_from(DIRECTORIES).unwrap() {
            pending.touch(directory(2, ino), "f".to_owned(), false, now);
        }
        let batch = pending.take(now);
        assert_eq!(batch.whole, HashSet::from([2]));
        assert!(batch.touched.keys().all(|(mount, _)| *mount == 1));
    }
}
