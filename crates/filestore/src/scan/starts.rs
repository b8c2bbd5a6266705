//! Where a scan of parts begins.

use super::ScanError;
use super::task::Part;
use super::visit::{Comparer, Unclear};
use ::node::Identity;
use backend::walk::{Failure, Options, Start, Visitor as _};
use backend::{Backend, Directory};
use catalogue::scratch::ParentRef;
use catalogue::{DirectoryRef, Node};
use std::collections::{BTreeMap, BTreeSet};

/// What the walk's side tells besides differences.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) unclear: Unclear,
    /// Identities that were named and are no directory of the mount.
    pub(super) unknown: Vec<Identity>,
}

/// Gathers the parts of a scan, so that each directory is looked at once; then looks names up, and
/// gives the directories that are to be listed.
pub(super) struct Starts<'a, 's> {
    backend: &'a dyn Backend,
    options: &'a Options,
    comparer: &'a mut Comparer<'s>,
    /// The names that are to be looked at in a directory; all, if `None`.
    wanted: BTreeMap<i64, (Node, Option<BTreeSet<String>>)>,
    starts: Vec<Start<ParentRef>>,
    unknown: Vec<Identity>,
}

impl<'a, 's> Starts<'a, 's> {
    pub(super) fn new(
        backend: &'a dyn Backend,
        options: &'a Options,
        comparer: &'a mut Comparer<'s>,
    ) -> Self {
        Self {
            backend,
            options,
            comparer,
            wanted: BTreeMap::new(),
            starts: Vec::new(),
            unknown: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, part: &Part) -> Result<(), ScanError> {
        if self.comparer.cancel.is_cancelled() {
            return Err(ScanError::Cancelled);
        }
        let Some(lookup) = &self.comparer.lookup else {
            return Ok(());
        };
        let directories = lookup.directories(part.directory)?;
        if let (true, DirectoryRef::Identity(identity)) = (directories.is_empty(), part.directory) {
            self.unknown.push(identity);
        }
        for directory in directories {
            let none = || (directory.clone(), Some(BTreeSet::new()));
            let (_, wanted) = self.wanted.entry(directory.id).or_insert_with(none);
            match (&part.names, &mut *wanted) {
                (Some(names), Some(wanted)) => wanted.extend(names.iter().cloned()),
                _ => *wanted = None,
            }
        }
        Ok(())
    }

    /// Gives where the walk begins, and the identities that are no directory of the mount.
    pub(super) fn finish(mut self) -> Result<(Vec<Start<ParentRef>>, Vec<Identity>), ScanError> {
        for (directory, names) in std::mem::take(&mut self.wanted).into_values() {
            match names {
                None => self.starts.push(Start {
                    identity: certain(&directory),
                    context: ParentRef::Node(directory.id),
                    path: directory.path,
                }),
                Some(names) => self.look(&directory, &names)?,
            }
        }
        Ok((self.starts, self.unknown))
    }

    fn look(&mut self, directory: &Node, names: &BTreeSet<String>) -> Result<(), ScanError> {
        let place = Directory {
            path: &directory.path,
            identity: certain(directory),
        };
        let mut named = names.iter().map(String::as_str);
        let entries = match self.backend.named(place, self.options, &mut named) {
            Ok(entries) => entries,
            Err(failure) => return self.fail(directory, failure),
        };
        let (mut descend, at) = (Vec::new(), (directory.id, place.path));
        self.comparer
            .compare_named(at, names, &entries, &mut descend)?;
        for (index, context) in descend {
            let Some(entry) = entries.get(index) else {
                continue;
            };
            let Ok(facts) = entry.facts else { continue };
            // 0 is the mount's own filesystem; a bucket has no other.
            let is_own = matches!(facts.identity.dev, 0 | ::node::OBJECT_DEVICE);
            if !is_own && !self.options.crosses_filesystems {
                continue;
            }
            self.starts.push(Start {
                path: ::node::join(&directory.path, &entry.name),
                identity: Some(facts.identity),
                context,
            });
        }
        Ok(())
    }

    fn fail(&mut self, directory: &Node, failure: Failure) -> Result<(), ScanError> {
        if let Failure::Unreadable(_) = failure {
            self.options.refuse(Some(directory.facts.identity), true);
        }
        let place = ParentRef::Node(directory.id);
        self.comparer.failed(&directory.path, place, failure)
    }
}

/// The directory's identity, where the filesystem's numbers can be relied on.
fn certain(directory: &Node) -> Option<Identity> {
    let identity = directory.facts.identity;
    identity.is_certain().then_some(identity)
}
