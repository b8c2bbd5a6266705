//! A tree on its way into a bucket, object after object.

use super::stage::Hashing;
use crate::command::{CommandError, Commands, Step};
use crate::open_mount::OpenMount;
use ::node::Facts;
use backend::s3::directory_facts;
use backend::{Bucket, Kind, PathFacts};
use std::collections::{HashMap, HashSet};
use std::io::Read;

/// A tree on its way into a bucket.
pub(super) struct Sending<'s> {
    pub(super) commands: &'s Commands,
    pub(super) from: &'s OpenMount,
    pub(super) bucket: &'s Bucket,
    pub(super) token: &'s str,
    pub(super) overwrite: bool,
}

impl Sending<'_> {
    /// Puts all of them, and gives what they are there.
    pub(super) fn all(
        &self,
        manifest: &PathFacts,
        path: &str,
        target: &str,
    ) -> Result<PathFacts, CommandError> {
        let parents: HashSet<&str> = manifest
            .iter()
            .filter_map(|(at, _)| at.rsplit_once('/').map(|(parent, _)| parent))
            .collect();
        let mut placed = PathFacts::with_capacity(manifest.len());
        for (at, facts) in manifest {
            let goes = format!("{target}{}", at.strip_prefix(path).unwrap_or_default());
            let facts = if !facts.is_directory() {
                self.one(at, *facts, &goes)?
            } else if parents.contains(at.as_str()) {
                directory_facts()
            } else {
                self.bucket.mark(&goes)?;
                directory_facts()
            };
            placed.push((goes, facts));
            self.commands.step(Step::Copied);
        }
        let now = self.from.backend.tree_facts(path)?;
        match *manifest == now {
            true => Ok(placed),
            false => Err(CommandError::Busy(path.to_owned())),
        }
    }

    fn one(&self, path: &str, facts: Facts, target: &str) -> Result<Facts, CommandError> {
        if facts.is_symlink {
            return Err(CommandError::Unstorable {
                path: path.to_owned(),
                reason: "it is a symlink, and a bucket has none".to_owned(),
            });
        }
        let size = u64::try_from(facts.size_bytes).unwrap_or(0);
        match self.from.backend.kind() {
            Kind::Bucket(source) if is_server_copy(self.from, self.bucket, facts.size_bytes) => {
                let object = source.copy(path, self.bucket, target)?;
                match object.size_bytes == size {
                    true => Ok(object.facts_when_put()),
                    false => Err(CommandError::Busy(path.to_owned())),
                }
            }
            _ => {
                let opened = self.from.backend.open(path)?;
                if !opened.facts.is_as(&facts) {
                    return Err(CommandError::Busy(path.to_owned()));
                }
                self.stream(opened.reader, (path, facts, size), target)
            }
        }
    }

    fn stream(
        &self,
        source: impl Read,
        (path, facts, size): (&str, Facts, u64),
        target: &str,
    ) -> Result<Facts, CommandError> {
        let mut source = Hashing::new(source);
        let incoming = self.bucket.send(target, self.token, &mut source, size)?;
        let unchanged = || {
            let hash = source.finish()?;
            let now = self.from.backend.facts(path)?;
            if now.is_none_or(|now| !now.is_as(&facts)) {
                return Err(CommandError::Busy(path.to_owned()));
            }
            self.commands.check_hash(self.from, path, facts, &hash)
        };
        if let Err(error) = unchanged() {
            self.bucket.forget(incoming);
            return Err(error);
        }
        let object = self
            .bucket
            .settle(target, self.token, incoming, self.overwrite)?;
        Ok(object.facts_when_put())
    }
}

/// Whether the server copies this object.
pub(super) fn is_server_copy(from: &OpenMount, bucket: &Bucket, size_bytes: i64) -> bool {
    let size = u64::try_from(size_bytes).unwrap_or(u64::MAX);
    match from.backend.kind() {
        Kind::Bucket(source) => source.is_same_bucket(bucket) && Bucket::copies(size),
        Kind::Disk(_) => false,
    }
}

/// Deletes what was put below `target` and has a counterpart in the source.
pub(super) fn take_back(bucket: &Bucket, target: &str, path: &str, manifest: &PathFacts) {
    let sizes: HashMap<_, _> = manifest
        .iter()
        .filter_map(|(at, facts)| Some((at.strip_prefix(path)?, facts.size_bytes)))
        .collect();
    let taken = bucket.remove_objects(target, |at, object| {
        at.strip_prefix(target)
            .is_some_and(|below| sizes.get(below) == Some(&object.facts().size_bytes))
    });
    if let Err(error) = taken {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(
            error,
            target,
            "objects of a copy that failed remain in the bucket"
        );
    }
}
