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
//! Objects in a bucket have no identity but their contents, so there only the one of its kind is
//! recognised.

use super::ScanError;
use ::node::{Facts, OBJECT_DEVICE};
use backend::{Backend, ListingCache};
use catalogue::scratch::{Found, Scratch};
use catalogue::{Candidate, Lookup};

/// Goes through the found names from the top of the tree down, and notes in each the node it is.
/// Names that are not there any more are forgotten.
pub(super) fn recognise(
    scratch: &Scratch,
    backend: &dyn Backend,
    lookup: &Lookup<'_>,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<(), ScanError> {
    let mut after = 0;
    loop {
        let page = scratch.found_after(after, 1_000)?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        if is_cancelled() {
            return Err(ScanError::Cancelled);
        }
        after = last.id;
        // Found names follow each other as their directories were listed.
        let mut cache = ListingCache::default();
        for found in &page {
            let now = backend.facts_again(&mut cache, &found.path).ok().flatten();
            if !now.is_some_and(|now| now.has_identity_of(&found.facts)) {
                scratch.forget(found)?;
                continue;
            }
            let parent = scratch.node_at(found.parent)?;
            let mut candidates = lookup.candidates(found, parent)?;
            if found.facts.identity.dev == OBJECT_DEVICE {
                candidates = only_one(scratch, backend, found, candidates)?;
            }
            for candidate in candidates {
                if is_it(scratch, backend, found, &candidate)? {
                    scratch.recognise(found.id, candidate.id)?;
                    if found.facts.is_directory() {
                        scratch.resolve(found.id, Some(candidate.id))?;
                    }
                    break;
                }
            }
        }
    }
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

fn is_it(
    scratch: &Scratch,
    backend: &dyn Backend,
    found: &Found,
    candidate: &Candidate,
) -> Result<bool, ScanError> {
    if !found.facts.is_same_file(&candidate.facts) || scratch.is_matched(candidate.id)? {
        return Ok(false);
    }
    // What cannot be asked about may still be there.
    Ok(candidate.path == found.path
        || stands(backend, &candidate.path, &found.facts).is_some_and(|stands| !stands))
}

/// Whether the disk has this file at this path; `None` where it will not say.
pub(super) fn stands(backend: &dyn Backend, path: &str, facts: &Facts) -> Option<bool> {
    match backend.facts(path) {
        Ok(Some(now)) => Some(now.has_identity_of(facts)),
        Ok(None) => Some(false),
        Err(_) => None,
    }
}
