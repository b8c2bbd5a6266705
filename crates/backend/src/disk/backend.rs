//! A disk as a backend.

use super::{Disk, attributes, failed, link};
use crate::hash::content::{self, Gate, HashConditions, Hashed};
use crate::walk::{Entry, Failure, Options};
use crate::{Backend, Directory, Error, Kind, ListingCache, Opened, Operation, PathFacts, Reason};
use node::{Facts, Identity, LongFact, LongText, NodePath, is_own_name, name};
use rustix::fs::RawDir;
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

impl Backend for Disk {
    fn facts(&self, path: &str) -> Result<Option<Facts>, Error> {
        self.tree
            .facts(path)
            .map_err(failed(Operation::LookAt, path))
    }

    fn facts_again(&self, cache: &mut ListingCache, path: &str) -> Result<Option<Facts>, Error> {
        self.tree
            .facts_again(&mut cache.directory, path)
            .map_err(failed(Operation::LookAt, path))
    }

    fn text(&self, fact: LongFact, path: &str) -> Result<Option<LongText>, Error> {
        let (parent, last) = path.rsplit_once('/').unwrap_or(("", path));
        let last = name::to_bytes(last);
        let directory = self.tree.directory(parent);
        let read = directory.and_then(|directory| match fact {
            LongFact::Attributes => attributes::of(directory, &last).map(Some),
            LongFact::LinkTarget => match link::target(directory, &last) {
                // It is no symlink.
                Err(Errno::INVAL) => Ok(Some(LongText::default())),
                target => target.map(Some),
            },
            LongFact::ObjectTags => Ok(None),
        });
        match read {
            Err(error) if Reason::from(error).is_absence() => Ok(None),
            read => read.map_err(failed(Operation::LookAt, path)),
        }
    }

    fn volume(&self) -> Option<i64> {
        Some(self.tree.volume())
    }

    fn lists(&self, path: &str) -> Result<bool, Error> {
        let (parent, last) = path.rsplit_once('/').unwrap_or(("", path));
        self.tree
            .directory(parent)
            .and_then(|directory| self.tree.lists(directory.as_fd(), last))
            .map_err(failed(Operation::LookAt, path))
    }

    fn lineage(&self, path: &NodePath) -> Result<PathFacts, Error> {
        let mut lineage = Vec::new();
        for at in path.lineage() {
            let Some(facts) = self.facts(at)? else { break };
            lineage.push((at.to_owned(), facts));
        }
        Ok(lineage)
    }

    fn tree_facts(&self, path: &str) -> Result<PathFacts, Error> {
        self.all_below(path)
    }

    fn list(
        &self,
        directory: Directory<'_>,
        options: &Options,
        buffer: &mut Vec<u8>,
    ) -> Result<Vec<Entry>, Failure> {
        let (handle, identity) = match self.enter(directory) {
            Err(Failure::Unreadable(reason)) => {
                options.refuse(directory.identity, false);
                return Err(Failure::Unreadable(reason));
            }
            entered => entered?,
        };
        if let Some(entrance) = &options.entrance {
            entrance.enter(handle.as_fd(), identity);
        }
        let entries = self.read(handle.as_fd(), options, buffer);
        let mut entries = entries.map_err(|error| {
            options.refuse(Some(identity), false);
            Failure::of(error)
        })?;
        if directory.path.is_empty() {
            entries.retain(|entry| !is_own_name(&entry.name));
        }
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        // A name that is renamed while a large directory is read can come twice.
        entries.dedup_by(|a, b| a.name == b.name);
        Ok(entries)
    }

    fn named(
        &self,
        directory: Directory<'_>,
        options: &Options,
        names: &mut dyn Iterator<Item = &str>,
    ) -> Result<Vec<Entry>, Failure> {
        let (handle, _) = self.enter(directory)?;
        let is_root = directory.path.is_empty();
        let mut entries = Vec::new();
        for name in names {
            let bytes = name::to_bytes(name);
            let Ok(c_name) = CString::new(&*bytes) else {
                continue;
            };
            if matches!(&*bytes, b"" | b"." | b"..") || bytes.contains(&b'/') {
                continue;
            }
            let facts = match self.tree.facts_in(handle.as_fd(), &c_name) {
                Err(Errno::NOENT) => continue,
                facts => facts,
            };
            if !self.tree.lists(handle.as_fd(), name).unwrap_or(true) {
                continue;
            }
            if facts.is_ok_and(|facts| options.hides(&facts)) || is_root && is_own_name(name) {
                continue;
            }
            let name = name.to_owned();
            entries.push(asked(options, name, facts, (handle.as_fd(), &bytes)));
        }
        Ok(entries)
    }

    fn open(&self, path: &str) -> Result<Opened, Error> {
        let file = self.open_file(path)?;
        let facts = self.tree.facts_of(file.as_fd());
        Ok(Opened {
            facts: facts.map_err(failed(Operation::LookAt, path))?,
            reader: Box::new(file),
        })
    }

    fn hash(
        &self,
        path: &str,
        conditions: &HashConditions,
        gate: Gate<'_>,
    ) -> Result<Hashed, Error> {
        content::hash_file(self, path, conditions, gate)
    }

    fn make_directory(&self, path: &NodePath) -> Result<PathFacts, Error> {
        self.in_directories(path, || Ok(()))
            .map(|(lineage, ())| lineage)
    }

    fn remove(&self, path: &str, is_directory: bool) -> Result<(), Error> {
        self.unlink(path, is_directory)
    }

    fn remove_where(
        &self,
        path: &str,
        is_meant: &dyn Fn(&str, &Facts) -> bool,
    ) -> Result<(), Error> {
        self.remove_picked(path, is_meant)
    }

    fn sweep(&self, keep: &[String]) -> Result<(), Error> {
        self.remove_own(keep)
    }

    fn probe(&self) -> Result<(), Error> {
        // It was opened, and its root is held open.
        self.facts("").map(|_| ())
    }

    fn numbers_of(&self, directory: &Path) -> Option<(i64, i64)> {
        self.tree.numbers_of(directory)
    }

    fn kind(&self) -> Kind<'_> {
        Kind::Disk(self)
    }
}

impl Disk {
    fn enter(&self, directory: Directory<'_>) -> Result<(OwnedFd, Identity), Failure> {
        let handle = self.tree.directory(directory.path).map_err(Failure::of)?;
        let found = self.tree.facts_of(handle.as_fd()).map_err(Failure::of)?;
        let found = found.identity;
        if directory.identity.is_some_and(|expected| expected != found) {
            return Err(Failure::Gone);
        }
        Ok((handle, found))
    }

    fn read(
        &self,
        directory: BorrowedFd<'_>,
        options: &Options,
        buffer: &mut Vec<u8>,
    ) -> Result<Vec<Entry>, Errno> {
        let names = Names::of(directory, buffer)?;
        let mut entries = Vec::with_capacity(names.count);
        for found in names.iter() {
            let bytes = found.to_bytes();
            let facts = match self.tree.facts_in(directory, found) {
                Err(Errno::NOENT) => continue,
                facts => facts,
            };
            if facts.is_ok_and(|facts| options.hides(&facts)) {
                continue;
            }
            let name = name::from_bytes(bytes);
            entries.push(asked(options, name, facts, (directory, bytes)));
        }
        Ok(entries)
    }
}

/// The names in a directory, one after another: so it is known how many there are before room is made
/// for their facts.
#[derive(Default)]
struct Names {
    /// Each with its closing NUL.
    bytes: Vec<u8>,
    count: usize,
}

impl Names {
    fn of(directory: BorrowedFd<'_>, buffer: &mut Vec<u8>) -> Result<Self, Errno> {
        let mut names = Self::default();
        let mut listing = RawDir::new(directory, buffer.spare_capacity_mut());
        while let Some(found) = listing.next() {
            let found = found?;
            let name = found.file_name();
            if !matches!(name.to_bytes(), b"." | b"..") {
                names.bytes.extend_from_slice(name.to_bytes_with_nul());
                names.count += 1;
            }
        }
        Ok(names)
    }

    fn iter(&self) -> impl Iterator<Item = &CStr> {
        let names = self.bytes.split_inclusive(|byte| *byte == 0);
        names.filter_map(|name| CStr::from_bytes_with_nul(name).ok())
    }
}

/// The name with what is wanted of its facts. Where the attributes cannot be read, nobody has asked.
fn asked(
    options: &Options,
    name: String,
    facts: Result<Facts, Errno>,
    (directory, bytes): (BorrowedFd<'_>, &[u8]),
) -> Entry {
    let mut entry = Entry::new(name, facts.map_err(Reason::from));
    if !options.asks_accesses {
        entry.facts = entry.facts.map(|facts| facts.unread());
    }
    if options.asks_attributes
        && let Ok(facts) = &mut entry.facts
        && let Ok(attributes) = attributes::of(directory, bytes)
    {
        facts.set_long(LongFact::Attributes, Some(attributes.number));
        entry.keep(attributes);
    }
    entry
}
