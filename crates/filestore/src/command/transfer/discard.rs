//! The source of a move that was a copy goes, once the move is committed.
//!
//! What goes is what was copied, and nothing else: files that still are what they were when they
//! were copied (size, time, and inode or `ETag`) and have a counterpart at the target, then
//! directories that are empty. What somebody wrote or put there meanwhile stays, and a scan finds it.

use crate::command::{Action, CommandError, Commands, Intent};
use ::node::{Facts, Moment};
use backend::PathFacts;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};

/// What each copied file was, by a digest of 64 bits of its path below the source and its facts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(in crate::command) struct Copied(Option<BTreeSet<u64>>);

impl Copied {
    /// The files of a manifest of the tree at `path`.
    pub(super) fn of(manifest: &PathFacts, path: &str) -> Self {
        let files = manifest.iter().filter(|(_, facts)| !facts.is_directory());
        let digests = files.filter_map(|(at, facts)| Some(digest(at.strip_prefix(path)?, facts)));
        Self(Some(digests.collect()))
    }

    /// Whether the file was copied as this. An intent of an earlier version does not say: then it is
    /// taken for so.
    fn has(&self, below: &str, facts: &Facts) -> bool {
        let digests = self.0.as_ref();
        digests.is_none_or(|digests| digests.contains(&digest(below, facts)))
    }
}

fn digest(below: &str, facts: &Facts) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[u8::from(facts.is_symlink)]);
    for number in [facts.size_bytes, facts.identity.dev, facts.identity.ino] {
        hasher.update(&number.to_be_bytes());
    }
    for moment in [facts.modified_ns, facts.identity.born_ns] {
        let bytes = moment.map_or([u8::MAX; 12], Moment::to_bytes);
        hasher.update(&bytes);
    }
    hasher.update(below.as_bytes());
    let [a, b, c, d, e, f, g, h, ..] = *hasher.finalize().as_bytes();
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

impl Commands {
    /// Deletes the source of a move that is committed. If it cannot be done now, it is when the
    /// store is opened next.
    pub(in crate::command) fn clear_up(&self, id: i64, aftermath: &Intent) {
        if let Err(error) = self.discard(id, aftermath) {
            let error = &error as &dyn std::error::Error;
            let command_id = &*aftermath.command_id;
            tracing::warn!(
                error,
                command_id,
                "source of a finished move not removed yet"
            );
        }
    }

    pub(in crate::command) fn discard(&self, id: i64, intent: &Intent) -> Result<(), CommandError> {
        let Action::Discard {
            mount_id,
            path,
            target_mount_id,
            target_path,
            copied,
        } = &intent.action
        else {
            return Ok(());
        };
        let (from, to) = (
            self.opener.by_id(*mount_id)?,
            self.opener.by_id(*target_mount_id)?,
        );
        let (path, target) = (path.as_str(), target_path.as_str());
        let counterparts = to.backend.tree_facts(target)?;
        let sizes: HashMap<_, _> = counterparts
            .iter()
            .filter(|(_, facts)| !facts.is_directory())
            .filter_map(|(at, facts)| Some((at.strip_prefix(target)?, facts.size_bytes)))
            .collect();
        let is_copied = |at: &str, facts: &Facts| {
            at.strip_prefix(path).is_some_and(|below| {
                sizes.get(below) == Some(&facts.size_bytes) && copied.has(below, facts)
            })
        };
        from.backend.remove_where(path, &is_copied)?;
        Ok(self.drop_intent(id)?)
    }
}

impl Intent {
    /// What remains to be done once it is committed.
    pub(in crate::command) fn aftermath(&self) -> Option<Self> {
        let Action::Move {
            mount_id,
            path,
            target_mount_id,
            target_path,
            transfer: Some(_),
            copied,
            ..
        } = &self.action
        else {
            return None;
        };
        Some(Self {
            action: Action::Discard {
                mount_id: *mount_id,
                path: path.clone(),
                target_mount_id: *target_mount_id,
                target_path: target_path.clone(),
                copied: copied.clone(),
            },
            ..self.clone()
        })
    }
}
