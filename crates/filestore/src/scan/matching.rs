//! Which found names are known files that moved.
//!
//! This runs when the whole tree has been seen, and before anything is written, so it does not
//! matter in which order the walk met the old and the new place of a file, whether two names were
//! swapped, or how deep below a moved directory a name lies.
//!
//! A found name is a known node if it is the same file ([`Facts::is_same_file`]) and the disk no
//! longer has that file at the node's path; the path is asked about here and now. So a second name
//! of a file (a hard link, a bind mount) is a node of its own, and of two names that both moved
//! each takes one of the nodes: the one under the same parent, or of the same name, if there is one.
//! A node that is missing already is recognised too, if no other node is the file: a file that a
//! scan saw in neither of two places, because it moved while the scan ran, comes back to its node.
//!
//! A directory on a filesystem without birth times has nothing but an inode number, which may have been
//! given out again. It is a known node if that stood at the same place: under the same name in the
//! same directory, or under a name that the filesystem takes for the same. Or somebody saw it being
//! renamed ([`Renames`]).
//!
//! First come the names whose directory is known and had a file of that name: if a tree was copied by
//! hard links and the original was then moved, both have all its files, and only the directory tells
//! which is the one that moved. The others follow when those have their nodes.
//!
//! While only some names are looked at, one of them may be a file that was in a directory that is gone
//! from where it was. If that directory moved, and its new name is to be looked at next, it may have
//! the file with it: the copy by hard links was then seen first. So a task that [waits](super::task::Task::waits)
//! is told to look again.
//!
//! Objects in a bucket have no identity but their contents, so there only the one of its kind is
//! recognised.

use super::ScanError;
use super::renames::Renames;
use ::node::{Facts, Identity, OBJECT_DEVICE};
use backend::{Backend, ListingCache};
use catalogue::scratch::{Found, Scratch, ScratchError};
use catalogue::{CANDIDATES, Candidate, DirectoryRef, Lookup, Passed};
use std::collections::HashMap;

const PAGE: usize = 1_000;

/// Files of which it is remembered how far their names were gone through.
const REMEMBERED: usize = 10_000;

/// Goes through the found names from the top of the tree down, and notes in each the node it is.
/// Names that are not there any more are forgotten. Says whether all could be decided: that is so
/// unless it `waits`.
pub(super) fn recognise(
    scratch: &Scratch,
    backend: &dyn Backend,
    lookup: &Lookup<'_>,
    (renames, waits): (&Renames, bool),
    is_cancelled: &dyn Fn() -> bool,
) -> Result<bool, ScanError> {
    let mut matching = Matching {
        scratch,
        backend,
        lookup,
        renames,
        passed: HashMap::new(),
        waits,
        is_undecided: false,
        vanished: None,
    };
    matching.all(Scratch::found_after, Matching::first, is_cancelled)?;
    matching.all(Scratch::postponed_after, Matching::then, is_cancelled)?;
    Ok(!matching.is_undecided)
}

struct Matching<'m, 's> {
    scratch: &'m Scratch,
    backend: &'m dyn Backend,
    lookup: &'m Lookup<'s>,
    renames: &'m Renames,
    passed: HashMap<Identity, Passed>,
    waits: bool,
    is_undecided: bool,
    /// The directory that was asked for last, and whether it is anywhere else perhaps.
    vanished: Option<(i64, bool)>,
}

type Page = fn(&Scratch, i64, usize) -> Result<Vec<Found>, ScratchError>;

impl Matching<'_, '_> {
    fn all(
        &mut self,
        page: Page,
        each: fn(&mut Self, &Found, Option<i64>) -> Result<(), ScanError>,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<(), ScanError> {
        let mut after = 0;
        loop {
            let page = page(self.scratch, after, PAGE)?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            if is_cancelled() {
                return Err(ScanError::Cancelled);
            }
            after = last.id;
            let lookup = self.lookup;
            lookup.at_once(|| self.page(&page, each))?;
            if self.is_undecided {
                return Ok(());
            }
        }
    }

    fn page(
        &mut self,
        page: &[Found],
        each: fn(&mut Self, &Found, Option<i64>) -> Result<(), ScanError>,
    ) -> Result<(), ScanError> {
        // Found names follow each other as their directories were listed.
        let mut cache = ListingCache::default();
        for found in page {
            let now = self
                .backend
                .facts_again(&mut cache, &found.path)
                .ok()
                .flatten();
            if !now.is_some_and(|now| now.has_identity_of(&found.facts)) {
                self.scratch.forget(found)?;
                continue;
            }
            let parent = self.scratch.node_at(found.parent)?;
            each(self, found, parent)?;
            if self.is_undecided {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Directories, objects, and files of which their directory tells which they are.
    fn first(&mut self, found: &Found, parent: Option<i64>) -> Result<(), ScanError> {
        let mut candidates = self.lookup.candidates(found, parent)?;
        let is_object = found.facts.identity.dev == OBJECT_DEVICE;
        if is_object {
            candidates = only_one(self.scratch, self.backend, found, candidates)?;
        }
        candidates.retain(|candidate| may_be(found, candidate));
        let decides_now = is_object || found.facts.is_directory();
        for candidate in &candidates {
            let is_next = decides_now || candidate.is_kin_of(found, parent);
            if is_next && self.take(found, parent, candidate)? {
                return Ok(());
            }
        }
        if !decides_now && !candidates.is_empty() {
            self.scratch.postpone(found.id)?;
        }
        Ok(())
    }

    /// Files that have another name or another directory now.
    fn then(&mut self, found: &Found, parent: Option<i64>) -> Result<(), ScanError> {
        let candidates = self.lookup.candidates(found, parent)?;
        for candidate in &candidates {
            if self.take(found, parent, candidate)? {
                return Ok(());
            }
        }
        if candidates.len() < CANDIDATES {
            return Ok(());
        }
        // A file with very many names: all of them are asked about, each once.
        let identity = found.facts.identity;
        let mut passed = self.passed.remove(&identity).unwrap_or_default();
        loop {
            let before = passed;
            let page = self.lookup.further_candidates(found, &mut passed)?;
            let mut is_taken = false;
            for candidate in &page {
                is_taken = self.take(found, parent, candidate)?;
                if is_taken {
                    break;
                }
            }
            if is_taken || page.is_empty() {
                if self.passed.len() >= REMEMBERED {
                    self.passed.clear();
                }
                self.passed.insert(identity, before);
                return Ok(());
            }
        }
    }

    /// The found name is this node, if it can be.
    fn take(
        &mut self,
        found: &Found,
        parent: Option<i64>,
        candidate: &Candidate,
    ) -> Result<bool, ScanError> {
        if !self.is_it(found, parent, candidate)? {
            return Ok(false);
        }
        if self.waits && !found.facts.is_directory() && self.may_be_elsewhere(candidate)? {
            self.is_undecided = true;
            return Ok(false);
        }
        self.scratch.recognise(found.id, candidate.id)?;
        if found.facts.is_directory() {
            self.scratch.resolve(found.id, Some(candidate.id))?;
        }
        Ok(true)
    }

    /// Whether the file may be where its directory is, which is not where it was.
    fn may_be_elsewhere(&mut self, candidate: &Candidate) -> Result<bool, ScanError> {
        let Some(parent) = candidate.parent else {
            return Ok(false);
        };
        match self.vanished {
            Some((directory, has_vanished)) if directory == parent => Ok(has_vanished),
            _ => {
                let has_vanished = self.has_vanished(parent)?;
                self.vanished = Some((parent, has_vanished));
                Ok(has_vanished)
            }
        }
    }

    /// Whether a directory is not where it was, because of something that is not looked at.
    fn has_vanished(&self, mut directory: i64) -> Result<bool, ScanError> {
        let mut is_gone = false;
        loop {
            if self.scratch.is_matched(directory)? || self.scratch.is_lost(directory)? {
                return Ok(false);
            }
            let nodes = self.lookup.directories(DirectoryRef::Node(directory))?;
            let Some(node) = nodes.first() else {
                return Ok(false);
            };
            if stands(self.backend, &node.path, &node.facts) != Some(false) {
                return Ok(is_gone);
            }
            is_gone = true;
            match node.parent_id {
                Some(parent) => directory = parent,
                None => return Ok(is_gone),
            }
        }
    }

    fn is_it(
        &self,
        found: &Found,
        parent: Option<i64>,
        candidate: &Candidate,
    ) -> Result<bool, ScanError> {
        if !may_be(found, candidate) || self.scratch.is_matched(candidate.id)? {
            return Ok(false);
        }
        if candidate.path == found.path {
            return Ok(true);
        }
        Ok(match stands(self.backend, &candidate.path, &found.facts) {
            Some(true) => is_alias(self.backend, &candidate.path, &found.path),
            Some(false) => {
                found.facts.is_same_file(&candidate.facts)
                    || candidate.is_kin_of(found, parent)
                    || self.renames.has(candidate, found, parent)
            }
            // What cannot be asked about may still be there.
            None => false,
        })
    }
}

/// Whether a found name can be this node at all.
fn may_be(found: &Found, candidate: &Candidate) -> bool {
    let (now, before) = (&found.facts, &candidate.facts);
    now.is_same_file(before) || now.may_be_directory(before)
}

/// Of objects many have the same contents, and nothing else tells them apart. So one is recognised
/// at its own path, or if it is the only one that was found and the only one that is gone.
fn only_one(
    scratch: &Scratch,
    backend: &dyn Backend,
    found: &Found,
    candidates: Vec<Candidate>,
) -> Result<Vec<Candidate>, ScanError> {
    let mut gone = Vec::new();
    for candidate in candidates {
        if candidate.path == found.path {
            return Ok(vec![candidate]);
        }
        if found.facts.is_same_file(&candidate.facts) {
            let now = backend.facts(&candidate.path);
            let is_gone =
                now.is_ok_and(|now| !now.is_some_and(|now| now.is_same_file(&found.facts)));
            if is_gone {
                gone.push(candidate);
            }
        }
    }
    if gone.len() != 1 || scratch.has_twin(found)? {
        gone.clear();
    }
    Ok(gone)
}

/// Whether `path` leads to what was found at `found` only because the filesystem takes the letters
/// of a name in any case: then the old name is gone, as no directory lists it.
fn is_alias(backend: &dyn Backend, path: &str, found: &str) -> bool {
    let mut end = 0;
    for (name, other) in path.split('/').zip(found.split('/')) {
        end += name.len();
        if name != other {
            let is_alike = name.to_lowercase() == other.to_lowercase();
            let at = path.get(..end).filter(|_| is_alike);
            return at.is_some_and(|at| backend.lists(at).is_ok_and(|lists| !lists));
        }
        end += 1;
    }
    false
}

/// Whether the disk has this file at this path; `None` where it will not say.
pub(super) fn stands(backend: &dyn Backend, path: &str, facts: &Facts) -> Option<bool> {
    match backend.facts(path) {
        Ok(Some(now)) => Some(now.has_identity_of(facts)),
        Ok(None) => Some(false),
        Err(_) => None,
    }
}
