//! A parallel walk over a tree that other programs may be changing.
//!
//! The walk goes over directory handles and not over paths: every directory is opened from the
//! root's handle, beneath it and without following a symlink, and its names are asked about
//! relative to that handle. A path-based walk (the `ignore` crate's, or `std::fs::read_dir`) follows
//! a directory that is swapped for a symlink between the listing of its parent and its own, and
//! fails where a path grows past `PATH_MAX`; this one does neither, and needs no care for names
//! that are not UTF-8.
//!
//! What meets it on the way:
//!
//! - A directory that is gone, or is another one than its parent's listing told, when its turn
//!   comes: [`Failure::Gone`]. The next walk sees it as it then is.
//! - A directory that may not be read: [`Failure::Unreadable`].
//! - A name whose facts may not be seen (a directory that may be read but not searched): an entry
//!   without facts.
//! - A name that vanishes between listing and asking: left out, as if it had vanished before.
//! - Symlinks, sockets, pipes and devices: entries like any other, never opened.
//! - Another filesystem: its mount point is an entry, and is told as an empty directory unless the
//!   options say that it is to be entered. A bind mount of the same filesystem cannot be told from
//!   a directory and is walked like one.
//! - Tidemark's own staging files in the root (`.tidemark-*.part`, `.tidemark-*.trash`): not there.
//!
//! Each thread has its own [`Visitor`]; a directory is told to one of them before any of its
//! subdirectories is to any. Between listing and visiting, one whole directory is held in memory
//! a thread; what waits is described in [`queue`].

mod facts;
mod queue;
mod tree;

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::testing;

pub(crate) use facts::{Facts, Identity, OBJECT_DEVICE};
use queue::{Pending, Queue};
use rustix::fs::RawDir;
use rustix::io::Errno;
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Mutex;
pub(crate) use tree::Tree;

use crate::name;
use crate::s3::{Bucket, Child};
use crate::watch::Entrance;

/// The bytes of one read of a directory.
const LISTING_BYTES: usize = 64 * 1024;

/// One name in a directory.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The name, spelled as a node's name.
    pub(crate) name: String,
    /// What the disk says of it, or why it would not.
    pub(crate) facts: Result<Facts, Errno>,
}

/// Why a directory could not be walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It is not there any more, or another one is.
    Gone,
    /// It cannot be read.
    Unreadable(Errno),
}

/// Where the walk goes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// Enter other filesystems that are mounted in the tree.
    pub(crate) crosses_filesystems: bool,
    /// Directories that are treated as if they were not there, by device and inode number.
    pub(crate) hidden: Vec<(i64, i64)>,
    /// Told of each directory before it is listed, so that what changes in it afterwards is seen.
    pub(crate) entrance: Option<Entrance>,
    /// Directories that refuse to be read, by path: tests run as a user whom nothing refuses.
    #[cfg(test)]
    pub(crate) refusing: Vec<String>,
}

impl Options {
    pub(crate) fn new(crosses_filesystems: bool, hidden: Vec<(i64, i64)>) -> Self {
        Self {
            crosses_filesystems,
            hidden,
            entrance: None,
            #[cfg(test)]
            refusing: Vec::new(),
        }
    }

    fn hides(&self, facts: &Facts) -> bool {
        facts.is_directory()
            && self
                .hidden
                .contains(&(facts.identity.dev, facts.identity.ino))
    }
}

/// A directory that a walk begins at.
#[derive(Clone, Debug)]
pub(crate) struct Start<C> {
    pub(crate) path: String,
    /// Another directory at that path is [`Failure::Gone`].
    pub(crate) identity: Option<Identity>,
    pub(crate) context: C,
}

/// What is told of the directories, on one thread.
pub(crate) trait Visitor: Send {
    /// What the walk carries from a directory to its subdirectories.
    type Context: Send;
    /// Why the visitor wants the walk to stop.
    type Error: Send;

    /// The directory at `path` was listed; `entries` are all its names, in ascending order.
    /// Subdirectories that are to be walked are added to `descend`, by their index in `entries`.
    fn listed(
        &mut self,
        path: &str,
        context: Self::Context,
        entries: &[Entry],
        descend: &mut Vec<(usize, Self::Context)>,
    ) -> Result<(), Self::Error>;

    /// The directory at `path` could not be listed; its contents are unknown.
    fn failed(
        &mut self,
        path: &str,
        context: Self::Context,
        failure: Failure,
    ) -> Result<(), Self::Error>;
}

/// Walks the whole tree.
#[cfg(test)]
pub(crate) fn walk<V: Visitor>(
    tree: &Tree,
    options: &Options,
    root: V::Context,
    visitors: Vec<V>,
) -> Result<Vec<V>, V::Error> {
    let root = Start {
        path: String::new(),
        identity: None,
        context: root,
    };
    walk_from(tree, options, vec![root], visitors)
}

/// Walks from these directories on with one thread a visitor, and gives the visitors back.
///
/// # Errors
/// The first error that a visitor returned.
pub(crate) fn walk_from<V: Visitor>(
    tree: &Tree,
    options: &Options,
    starts: Vec<Start<V::Context>>,
    mut visitors: Vec<V>,
) -> Result<Vec<V>, V::Error> {
    let starts = starts.into_iter().map(|start| Pending {
        name: start.path,
        identity: start.identity,
        context: start.context,
    });
    let queue = Queue::new(starts.collect());
    let error = Mutex::new(None);
    std::thread::scope(|scope| {
        for visitor in &mut visitors {
            scope.spawn(|| {
                let mut walker = Walker {
                    tree,
                    options,
                    queue: &queue,
                    visitor,
                };
                if let Err(stopped) = walker.run() {
                    queue.stop();
                    error
                        .lock()
                        .unwrap_or_else(|e| e.into_inner())
                        .get_or_insert(stopped);
                }
            });
        }
    });
    match error.into_inner().unwrap_or_else(|e| e.into_inner()) {
        Some(error) => Err(error),
        None => Ok(visitors),
    }
}

struct Walker<'w, V: Visitor> {
    tree: &'w Tree,
    options: &'w Options,
    queue: &'w Queue<V::Context>,
    visitor: &'w mut V,
}

/// Lets the others end when this thread's visitor is done, and also when it panics.
struct Busy<'q, C>(&'q Queue<C>);

impl<C> Drop for Busy<'_, C> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop();
        }
        self.0.done();
    }
}

impl<V: Visitor> Walker<'_, V> {
    fn run(&mut self) -> Result<(), V::Error> {
        let mut buffer = Vec::with_capacity(LISTING_BYTES);
        while let Some(work) = self.queue.pop() {
            let _busy = Busy(self.queue);
            let Pending {
                name,
                identity,
                context,
            } = work.pending;
            let path = join(&work.parent, &name);
            match self.list(&path, identity, &mut buffer) {
                Ok(entries) => self.visit(&path, context, entries)?,
                Err(failure) => self.visitor.failed(&path, context, failure)?,
            }
        }
        Ok(())
    }

    fn visit(
        &mut self,
        path: &str,
        context: V::Context,
        mut entries: Vec<Entry>,
    ) -> Result<(), V::Error> {
        let mut descend = Vec::new();
        self.visitor.listed(path, context, &entries, &mut descend)?;
        let mut children = Vec::with_capacity(descend.len());
        for (index, context) in descend {
            let Some(entry) = entries.get_mut(index) else {
                continue;
            };
            let Ok(facts) = entry.facts else { continue };
            if !facts.is_directory() {
                continue;
            }
            let name = std::mem::take(&mut entry.name);
            let is_within = matches!(facts.identity.dev, 0 | OBJECT_DEVICE);
            if is_within || self.options.crosses_filesystems {
                children.push(Pending {
                    name,
                    identity: Some(facts.identity),
                    context,
                });
            } else {
                self.visitor
                    .listed(&join(path, &name), context, &[], &mut Vec::new())?;
            }
        }
        self.queue.push(path, children);
        Ok(())
    }

    fn list(
        &self,
        path: &str,
        expected: Option<Identity>,
        buffer: &mut Vec<u8>,
    ) -> Result<Vec<Entry>, Failure> {
        #[cfg(test)]
        if self
            .options
            .refusing
            .iter()
            .any(|refusing| refusing == path)
        {
            return Err(failure(Errno::ACCESS));
        }
        if let Some(bucket) = self.tree.bucket() {
            return list_objects(bucket, path);
        }
        let (directory, identity) = open(self.tree, path, expected)?;
        if let Some(entrance) = &self.options.entrance {
            entrance.enter(directory.as_fd(), identity);
        }
        let mut entries = self.read(directory.as_fd(), buffer).map_err(failure)?;
        if path.is_empty() {
            entries.retain(|entry| !is_staging(&entry.name));
        }
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        // A name that is renamed while a large directory is read can come twice.
        entries.dedup_by(|a, b| a.name == b.name);
        Ok(entries)
    }

    fn read(&self, directory: BorrowedFd<'_>, buffer: &mut Vec<u8>) -> Result<Vec<Entry>, Errno> {
        let mut entries = Vec::new();
        let mut names = RawDir::new(directory, buffer.spare_capacity_mut());
        while let Some(found) = names.next() {
            let found = found?;
            let bytes = found.file_name().to_bytes();
            if matches!(bytes, b"." | b"..") {
                continue;
            }
            let facts = match self.tree.facts_in(directory, found.file_name()) {
                Err(Errno::NOENT) => continue,
                facts => facts,
            };
            if facts.is_ok_and(|facts| self.options.hides(&facts)) {
                continue;
            }
            entries.push(Entry {
                name: name::from_bytes(bytes),
                facts,
            });
        }
        Ok(entries)
    }
}

/// Some names in one directory, as a listing would tell them: those that are there, in ascending
/// order. `names` are ascending. It takes as long as there are names, however large the directory.
///
/// # Errors
/// The directory cannot be opened, or another one stands at its path.
pub(crate) fn named<'n>(
    tree: &Tree,
    options: &Options,
    (path, expected): (&str, Option<Identity>),
    names: impl IntoIterator<Item = &'n str>,
) -> Result<Vec<Entry>, Failure> {
    if let Some(bucket) = tree.bucket() {
        return named_objects(bucket, path, names);
    }
    let (directory, _) = open(tree, path, expected)?;
    let mut entries = Vec::new();
    for name in names {
        let bytes = name::to_bytes(name);
        let Ok(c_name) = CString::new(&*bytes) else {
            continue;
        };
        if matches!(&*bytes, b"" | b"." | b"..") || bytes.contains(&b'/') {
            continue;
        }
        let facts = match tree.facts_in(directory.as_fd(), &c_name) {
            Err(Errno::NOENT) => continue,
            facts => facts,
        };
        if facts.is_ok_and(|facts| options.hides(&facts)) || path.is_empty() && is_staging(name) {
            continue;
        }
        entries.push(Entry {
            name: name.to_owned(),
            facts,
        });
    }
    Ok(entries)
}

fn open(
    tree: &Tree,
    path: &str,
    expected: Option<Identity>,
) -> Result<(OwnedFd, Identity), Failure> {
    let directory = tree.directory(path).map_err(failure)?;
    let found = tree.facts_of(directory.as_fd()).map_err(failure)?.identity;
    if expected.is_some_and(|expected| expected != found) {
        return Err(Failure::Gone);
    }
    Ok((directory, found))
}

fn named_objects<'n>(
    bucket: &Bucket,
    path: &str,
    names: impl IntoIterator<Item = &'n str>,
) -> Result<Vec<Entry>, Failure> {
    let mut entries = Vec::new();
    for name in names {
        let facts = bucket.facts(&join(path, name));
        match facts.map_err(|error| tree::of_bucket(&error)) {
            Ok(None) => {}
            // No object has such a name.
            Err(Errno::ILSEQ) => {}
            Ok(Some(facts)) => entries.push(Entry {
                name: name.to_owned(),
                facts: Ok(facts),
            }),
            Err(error) => return Err(failure(error)),
        }
    }
    Ok(entries)
}

/// All that is in a directory of a bucket. A key that is no path, or that is hidden, is an entry
/// that cannot be seen; its name holds a slash, so no other has it.
fn list_objects(bucket: &Bucket, path: &str) -> Result<Vec<Entry>, Failure> {
    let children = bucket
        .children(path)
        .map_err(|error| failure(tree::of_bucket(&error)))?
        .ok_or(Failure::Gone)?;
    let entry = |child| match child {
        Child::Named(name, facts) => Entry {
            name,
            facts: Ok(facts),
        },
        Child::Odd(rest) => Entry {
            name: format!("{}/", name::from_bytes(rest.as_bytes())),
            facts: Err(Errno::ILSEQ),
        },
        Child::Hidden(name) => Entry {
            name: format!("{name}/"),
            facts: Err(Errno::EXIST),
        },
    };
    let mut entries: Vec<_> = children.into_iter().map(entry).collect();
    entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    entries.dedup_by(|a, b| a.name == b.name);
    Ok(entries)
}

/// Why a name cannot be seen, for people.
pub(crate) fn reason(unseen: Errno) -> String {
    match unseen {
        Errno::ILSEQ => {
            "its key is no path: an empty name, dots, or a control character".to_owned()
        }
        Errno::EXIST => "the object is hidden by the directory of the same name".to_owned(),
        reason => reason.to_string(),
    }
}

/// The path of `name` in the directory at `parent`.
pub(crate) fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() {
        return name.to_owned();
    }
    let mut path = String::with_capacity(parent.len() + 1 + name.len());
    path.push_str(parent);
    path.push('/');
    path.push_str(name);
    path
}

/// A name of Tidemark's own in the root of a mount.
pub(crate) fn is_staging(name: &str) -> bool {
    name.starts_with(".tidemark-") && (name.ends_with(".part") || name.ends_with(".trash"))
}

fn failure(error: Errno) -> Failure {
    if tree::is_absence(error) {
        Failure::Gone
    } else {
        Failure::Unreadable(error)
    }
}
