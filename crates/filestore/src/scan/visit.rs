//! The walk's side of a scan: each listing is compared with what is known of it, and the
//! differences go down a bounded channel.

use super::compare::{self, Differences, Merge};
use super::renames::Renames;
use super::texts::Texts;
use super::{ScanError, ScanProblem, ScanProgress};
use backend::walk::Entrance;
use backend::walk::{Entry, Failure, Visitor};
use catalogue::Lookup;
use catalogue::listings::Listing;
use catalogue::scratch::ParentRef;
use catalogue::scratch::{Agreeing, Changed, Found};
use crossbeam_channel::Sender;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tokio_util::sync::CancellationToken;

/// Differences sent at once: enough to make the channel cheap, few enough to bound what it holds.
const CHUNK: usize = 1_000;

/// What found names that are sent at once may take, but for the last of them: paths can be long.
pub(super) const CHUNK_BYTES: usize = 256 * 1024;

/// How many problems a report tells in full.
pub(super) const PROBLEMS: usize = 100;

/// What a listing showed.
#[derive(Debug)]
pub(super) enum Difference {
    /// Parents come before their children.
    Found(Vec<Found>),
    Changed(Vec<Changed>),
    /// Nodes whose names are not there.
    Lost(Vec<i64>),
    /// No difference, which is worth knowing the next time.
    Agreeing(Agreeing),
    /// All of this directory, with so many names, has been found.
    Listed(ParentRef, Listing, usize),
}

/// What one thread of the walk could not see.
#[derive(Debug, Default)]
pub(super) struct Unclear {
    pub(super) problems: Vec<ScanProblem>,
    pub(super) problem_count: u64,
    pub(super) gone: u64,
}

impl Unclear {
    pub(super) fn add(&mut self, path: &str, reason: &dyn std::fmt::Display) {
        self.problem_count += 1;
        if self.problems.len() < PROBLEMS {
            self.problems.push(ScanProblem {
                path: path.to_owned(),
                reason: reason.to_string(),
            });
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.problem_count += other.problem_count;
        self.gone += other.gone;
        let room = PROBLEMS.saturating_sub(self.problems.len());
        self.problems.extend(other.problems.into_iter().take(room));
    }
}

/// Gives the first of that many new node ids in a row.
pub(super) type NewIds<'s> = Box<dyn Fn(usize) -> i64 + Send + 's>;

/// What a found name takes in memory.
pub(super) fn held_bytes(found: &Found) -> usize {
    size_of::<Found>() + found.name.len() + found.path.len()
}

/// One thread's visitor.
pub(super) struct Comparer<'s> {
    /// What is known; `None` where nothing is.
    pub(super) lookup: Option<Lookup<'s>>,
    pub(super) new_ids: NewIds<'s>,
    /// Known directories are gone into; otherwise only those that are not watched yet.
    pub(super) is_deep: bool,
    /// A file that was only read is told.
    pub(super) tells_accesses: bool,
    /// What was read with the facts of names that may differ.
    pub(super) texts: Arc<Texts>,
    pub(super) entrance: Option<Arc<dyn Entrance>>,
    pub(super) renames: Arc<Renames>,
    pub(super) progress: Arc<ScanProgress>,
    pub(super) cancel: CancellationToken,
    pub(super) sender: Sender<Difference>,
    pub(super) unclear: Unclear,
}

impl Comparer<'_> {
    fn send(&self, difference: Difference) -> Result<(), ScanError> {
        // The receiver only goes away when it has an error of its own to tell.
        self.sender
            .send(difference)
            .map_err(|_| ScanError::Cancelled)
    }

    /// Keeps what was read with the facts of names that may differ from what is known.
    fn keep_texts(&self, entries: &[Entry]) {
        let texts = entries.iter().filter_map(|entry| entry.text.as_deref());
        texts.for_each(|text| self.texts.keep(text));
    }

    fn count(&mut self, path: &str, entries: &[Entry]) {
        let (mut files, mut bytes) = (0, 0_u64);
        for entry in entries {
            match &entry.facts {
                Ok(facts) if facts.is_directory() => {}
                Ok(facts) => {
                    files += 1;
                    bytes = bytes.saturating_add(facts.size_bytes.cast_unsigned());
                }
                Err(unseen) => {
                    self.unclear.add(&::node::join(path, &entry.name), unseen);
                }
            }
        }
        self.progress.directories.fetch_add(1, Relaxed);
        self.progress.files.fetch_add(files, Relaxed);
        self.progress.add_bytes(bytes);
    }

    fn send_found(
        &self,
        path: &str,
        parent: ParentRef,
        entries: &[Entry],
        found: impl ExactSizeIterator<Item = usize>,
        descend: &mut Vec<(usize, ParentRef)>,
    ) -> Result<(), ScanError> {
        if found.len() == 0 {
            return Ok(());
        }
        let mut id = (self.new_ids)(found.len());
        let (mut chunk, mut bytes) = (Vec::new(), 0);
        for index in found {
            let Some(Entry {
                name,
                facts: Ok(facts),
                ..
            }) = entries.get(index)
            else {
                continue;
            };
            if facts.is_directory() {
                descend.push((index, ParentRef::Found(id)));
            }
            let (name, path) = (name.clone(), ::node::join(path, name));
            let found = Found {
                id,
                parent,
                name,
                path,
                facts: *facts,
                node: None,
            };
            id += 1;
            bytes += held_bytes(&found);
            chunk.push(found);
            if chunk.len() == CHUNK || bytes >= CHUNK_BYTES {
                self.send(Difference::Found(std::mem::take(&mut chunk)))?;
                bytes = 0;
            }
        }
        self.send(Difference::Found(chunk))
    }

    fn compare(
        &self,
        lookup: &Lookup<'_>,
        directory: i64,
        path: &str,
        entries: &[Entry],
        descend: &mut Vec<(usize, ParentRef)>,
    ) -> Result<(), ScanError> {
        let digest = compare::digest(entries, self.tells_accesses);
        let remembered = lookup.listing(directory)?;
        if let Some(remembered) = remembered.filter(|known| Some(known.digest) == digest) {
            let is_directory = |entry: &Entry| entry.facts.is_ok_and(|facts| facts.is_directory());
            let directories = entries
                .iter()
                .enumerate()
                .filter(|(_, entry)| is_directory(entry));
            let ids = remembered.directories.into_iter().map(ParentRef::Node);
            descend.extend(directories.map(|(index, _)| index).zip(ids));
            return Ok(());
        }
        let seen_at = lookup.head();
        self.keep_texts(entries);
        let mut merge = Merge::new(entries, self.renames.left(directory), self.tells_accesses);
        let mut sent = Ok(());
        lookup.each_known(directory, |node| {
            merge.known(node);
            if sent.is_ok()
                && let Some(changed) = merge.take_changed(CHUNK)
            {
                sent = self.send(Difference::Changed(changed));
            }
        })?;
        sent?;
        let differences = merge.finish();
        let known = differences
            .descend
            .iter()
            .map(|(index, id)| (*index, ParentRef::Node(*id)));
        descend.extend(known);
        if !differences.is_empty() {
            return self.send_differences(path, directory, entries, differences, descend);
        }
        let Some(digest) = digest else { return Ok(()) };
        let directories = differences.descend.iter().map(|(_, id)| *id).collect();
        let listing = Listing {
            digest,
            directories,
        };
        self.send(Difference::Agreeing(Agreeing {
            id: 0,
            node: directory,
            listing,
            seen_at,
        }))
    }

    /// Compares some names of a directory; `entries` are those of them that are there.
    pub(super) fn compare_named(
        &mut self,
        (directory, path): (i64, &str),
        names: &BTreeSet<String>,
        entries: &[Entry],
        descend: &mut Vec<(usize, ParentRef)>,
    ) -> Result<(), ScanError> {
        let Some(lookup) = &self.lookup else {
            return Ok(());
        };
        self.keep_texts(entries);
        let mut merge = Merge::new(entries, self.renames.left(directory), self.tells_accesses);
        for name in names {
            lookup.known_named(directory, name, |node| merge.known(node))?;
        }
        let differences = merge.finish();
        let known = differences.descend.iter();
        descend.extend(known.map(|(index, id)| (*index, ParentRef::Node(*id))));
        self.send_differences(path, directory, entries, differences, descend)?;
        self.keep_wanted(entries, descend);
        self.count(path, entries);
        Ok(())
    }

    /// Keeps the directories that are to be gone into.
    fn keep_wanted(&self, entries: &[Entry], descend: &mut Vec<(usize, ParentRef)>) {
        if self.is_deep {
            return;
        }
        let is_unwatched = |index: usize| {
            let identity = entries.get(index)?.facts.ok()?.identity;
            Some(self.entrance.as_ref()?.wants(identity))
        };
        descend.retain(|(index, place)| match place {
            ParentRef::Found(_) => true,
            ParentRef::Node(_) => is_unwatched(*index).unwrap_or(false),
        });
    }

    fn send_differences(
        &self,
        path: &str,
        directory: i64,
        entries: &[Entry],
        differences: Differences,
        descend: &mut Vec<(usize, ParentRef)>,
    ) -> Result<(), ScanError> {
        let Differences {
            changed,
            found,
            lost,
            ..
        } = differences;
        self.send_found(
            path,
            ParentRef::Node(directory),
            entries,
            found.into_iter(),
            descend,
        )?;
        if !changed.is_empty() {
            self.send(Difference::Changed(changed))?;
        }
        if !lost.is_empty() {
            self.send(Difference::Lost(lost))?;
        }
        Ok(())
    }
}

impl Visitor for Comparer<'_> {
    type Context = ParentRef;
    type Error = ScanError;

    fn listed(
        &mut self,
        path: &str,
        place: ParentRef,
        entries: &[Entry],
        descend: &mut Vec<(usize, ParentRef)>,
    ) -> Result<(), ScanError> {
        if self.cancel.is_cancelled() {
            return Err(ScanError::Cancelled);
        }
        self.count(path, entries);
        if let (Some(lookup), ParentRef::Node(id)) = (&self.lookup, place) {
            self.compare(lookup, id, path, entries, descend)?;
            self.keep_wanted(entries, descend);
            return Ok(());
        }
        self.keep_texts(entries);
        let seen = entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.facts.is_ok());
        let seen: Vec<_> = seen.map(|(index, _)| index).collect();
        self.send_found(path, place, entries, seen.into_iter(), descend)?;
        match compare::digest(entries, self.tells_accesses) {
            Some(digest) if self.lookup.is_none() => {
                let id = |(_, place): &(usize, ParentRef)| place.id();
                let directories = descend.iter().map(id).collect();
                let listing = Listing {
                    digest,
                    directories,
                };
                self.send(Difference::Listed(place, listing, entries.len()))
            }
            _ => Ok(()),
        }
    }

    fn failed(&mut self, path: &str, _: ParentRef, failure: Failure) -> Result<(), ScanError> {
        match failure {
            Failure::Gone => self.unclear.gone += 1,
            Failure::Unreadable(reason) => self.unclear.add(path, &reason),
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use ::node::{Facts, Identity, ObjectFacts};
    use journal::NodeKind;

    /// What is sent of a directory of new files whose paths are so long.
    pub(in crate::scan) fn found_in_one_directory(
        files: usize,
        path_bytes: usize,
    ) -> Vec<Difference> {
        let entries: Vec<_> = (0..files)
            .map(|number| Entry::new(format!("{number:06}"), Ok(file())))
            .collect();
        let (sender, receiver) = crossbeam_channel::unbounded();
        let mut comparer = Comparer {
            lookup: None,
            new_ids: Box::new(|_| 100),
            is_deep: true,
            tells_accesses: false,
            texts: Arc::default(),
            entrance: None,
            renames: Arc::default(),
            progress: Arc::default(),
            cancel: CancellationToken::new(),
            sender,
            unclear: Unclear::default(),
        };
        let path = "d".repeat(path_bytes - "/000000".len());
        let place = ParentRef::Found(99);
        comparer
            .listed(&path, place, &entries, &mut Vec::new())
            .unwrap();
        drop(comparer);
        receiver.into_iter().collect()
    }

    fn file() -> Facts {
        Facts {
            kind: NodeKind::File,
            is_symlink: false,
            size_bytes: 0,
            modified_ns: None,
            changed_ns: None,
            identity: Identity {
                dev: 0,
                ino: 1,
                born_ns: None,
            },
            inode: None,
            object: ObjectFacts::NONE,
        }
    }

    #[test]
    fn messages_are_bounded_by_what_they_hold_and_lose_no_name() {
        for path_bytes in [10, 3_800] {
            let (mut names, mut listed) = (0, 0);
            for message in found_in_one_directory(5_000, path_bytes) {
                match message {
                    Difference::Found(found) => {
                        let bytes: usize = found.iter().map(held_bytes).sum();
                        let most = CHUNK_BYTES + size_of::<Found>() + 2 * path_bytes;
                        assert!(bytes < most && found.len() <= CHUNK, "{bytes} bytes");
                        assert!(found.iter().all(|found| found.path.len() == path_bytes));
                        names += found.len();
                    }
                    Difference::Listed(_, _, count) => listed = count,
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!((names, listed), (5_000, 5_000));
        }
    }
}
