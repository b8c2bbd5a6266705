//! Renames of directories that somebody saw.
//!
//! On a filesystem without birth times, a directory that is found elsewhere looks like one that was made
//! anew and was given the same inode number. But the system tells the two ends of a rename as one
//! event, and who watches hands that down here. The ends come as names in directories by their
//! identities, and are kept as names in the nodes that are those directories.

use super::ScanError;
use ::node::Identity;
use catalogue::scratch::Found;
use catalogue::{Candidate, Catalogue, ReadTx, StoreError, nodes};
use std::collections::{HashMap, HashSet};

/// A name in a directory.
pub(crate) type Name = (Identity, String);

/// A directory had one name, and has another one now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rename {
    pub(crate) from: Name,
    pub(crate) to: Name,
}

/// What was seen in one mount.
#[derive(Debug, Default)]
pub(super) struct Renames {
    /// Where directories came from, by where they are.
    origins: HashMap<(i64, String), HashSet<(i64, String)>>,
    /// The names that they left, by directory.
    left: HashMap<i64, HashSet<String>>,
}

impl Renames {
    pub(super) fn of(
        catalogue: &Catalogue,
        mount_id: i64,
        seen: &[Rename],
    ) -> Result<Self, ScanError> {
        let mut renames = Self::default();
        if seen.is_empty() {
            return Ok(renames);
        }
        catalogue.read(|tx| {
            for Rename { from, to } in seen {
                let (from, to) = (places(tx, mount_id, from)?, places(tx, mount_id, to)?);
                for place in to {
                    let origins = renames.origins.entry(place).or_default();
                    origins.extend(from.iter().cloned());
                }
                for (directory, name) in from {
                    renames.left.entry(directory).or_default().insert(name);
                }
            }
            Ok::<_, StoreError>(())
        })?;
        Ok(renames)
    }

    /// Whether the found name, in the directory `parent`, was the candidate's before.
    pub(super) fn has(&self, candidate: &Candidate, found: &Found, parent: Option<i64>) -> bool {
        let (Some(before), Some(now)) = (candidate.parent, parent) else {
            return false;
        };
        let origins = self.origins.get(&(now, found.name.clone()));
        origins.is_some_and(|origins| origins.contains(&(before, candidate.name().to_owned())))
    }

    /// The names in this directory that directories left.
    pub(super) fn left(&self, directory: i64) -> Option<&HashSet<String>> {
        self.left.get(&directory)
    }
}

/// A name in each node that is the directory: there are several if it is mounted more than once.
fn places(
    tx: &ReadTx<'_>,
    mount_id: i64,
    (directory, name): &Name,
) -> Result<Vec<(i64, String)>, StoreError> {
    let nodes = nodes::directories_of(tx, mount_id, *directory)?;
    let places = nodes.into_iter().map(|node| (node.id, name.clone()));
    Ok(places.collect())
}
