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

mod queue;

#[cfg(test)]
mod tests;

use queue::{Pending, Queue};
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex};

use crate::{Backend, Directory, Reason};
use node::{Facts, Identity, LongText, OBJECT_DEVICE, join};

/// The bytes of one read of a directory.
const LISTING_BYTES: usize = 64 * 1024;

/// One name in a directory.
#[derive(Debug)]
pub struct Entry {
    /// The name, spelled as a node's name.
    pub name: String,
    /// What the disk says of it, or why it would not.
    pub facts: Result<Facts, Reason>,
    /// The text that was read with its facts, if there is any: its attributes, or its tags.
    pub text: Option<Box<LongText>>,
}

impl Entry {
    /// A name and its facts.
    pub fn new(name: String, facts: Result<Facts, Reason>) -> Self {
        Self {
            name,
            facts,
            text: None,
        }
    }

    /// Adds the text that was read with its facts.
    pub(crate) fn keep(&mut self, text: LongText) {
        if text.number != 0 {
            self.text = Some(Box::new(text));
        }
    }
}

/// Why a directory could not be walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It is not there any more, or another one is.
    Gone,
    /// It cannot be read.
    Unreadable(Reason),
}

/// Told of each directory before it is listed, so that what changes in it afterwards is seen.
pub trait Entrance: std::fmt::Debug + Send + Sync {
    /// A directory, open, is about to be listed.
    fn enter(&self, directory: BorrowedFd<'_>, identity: Identity);

    /// A directory cannot be read. `is_missed`: something happened in it.
    fn refused(&self, identity: Identity, is_missed: bool);

    /// Whether this directory is to be entered although nothing in it is to be compared: it is not
    /// entered yet, or could not be read.
    fn wants(&self, identity: Identity) -> bool;

    /// Everything is entered again.
    fn start_over(&self);

    /// The walk has been through; `is_whole`: through the whole tree.
    fn through(&self, is_whole: bool);
}

impl Failure {
    /// What a refusal means for a walk.
    pub fn of(reason: impl Into<Reason>) -> Self {
        match reason.into() {
            reason if reason.is_absence() => Self::Gone,
            reason => Self::Unreadable(reason),
        }
    }
}

/// Where the walk goes.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Enter other filesystems that are mounted in the tree.
    pub crosses_filesystems: bool,
    /// Ask each name for its access control lists and extended attributes.
    pub asks_attributes: bool,
    /// Ask when each file was last read.
    pub asks_accesses: bool,
    /// Ask each object for its tags: a request for each.
    pub asks_tags: bool,
    /// Directories that are treated as if they were not there, by device and inode number.
    pub hidden: Vec<(i64, i64)>,
    /// Told of each directory before it is listed, so that what changes in it afterwards is seen.
    pub entrance: Option<Arc<dyn Entrance>>,
}

impl Options {
    /// A directory cannot be read.
    pub fn refuse(&self, identity: Option<Identity>, is_missed: bool) {
        if let (Some(entrance), Some(identity)) = (&self.entrance, identity) {
            entrance.refused(identity, is_missed);
        }
    }

    pub(crate) fn hides(&self, facts: &Facts) -> bool {
        facts.is_directory()
            && self
                .hidden
                .contains(&(facts.identity.dev, facts.identity.ino))
    }
}

/// A directory that a walk begins at.
#[derive(Clone, Debug)]
pub struct Start<C> {
    /// Where it is.
    pub path: String,
    /// Another directory at that path is [`Failure::Gone`].
    pub identity: Option<Identity>,
    /// What is carried to its subdirectories.
    pub context: C,
}

/// What is told of the directories, on one thread.
pub trait Visitor: Send {
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
///
/// # Errors
/// The disk refuses it.
#[cfg(test)]
pub fn walk<V: Visitor>(
    backend: &dyn Backend,
    options: &Options,
    root: V::Context,
    visitors: Vec<V>,
) -> Result<Vec<V>, V::Error> {
    let root = Start {
        path: String::new(),
        identity: None,
        context: root,
    };
    walk_from(backend, options, vec![root], visitors)
}

/// Walks from these directories on with one thread a visitor, and gives the visitors back.
///
/// # Errors
/// The first error that a visitor returned.
pub fn walk_from<V: Visitor>(
    backend: &dyn Backend,
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
                    backend,
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
    backend: &'w dyn Backend,
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
            let directory = Directory {
                path: &path,
                identity,
            };
            match self.backend.list(directory, self.options, &mut buffer) {
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
}
