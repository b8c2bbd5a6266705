//! What an earlier run left half done.

use super::{Action, CommandError, Commands, Intent, Put, Transfer, apply};
use crate::open_mount::OpenMount;
use ::node::Identity;
use ::node::NodePath;
use backend::{Kind, PathFacts};
use catalogue::mounts::{self, AccessMode, BackendKind, MountState};
use catalogue::{StoreError, intents};

impl Commands {
    /// Finishes or drops every command that was cut off between its intent and its commit, and
    /// removes what is left of staged files and deleted trees. To be called before any command.
    ///
    /// An intent whose mount cannot be opened now is kept for the next time.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub(crate) fn recover(&self) -> Result<(), StoreError> {
        let mut kept = Vec::new();
        for (id, text) in self.catalogue.read(intents::all)? {
            let intent: Intent = match serde_json::from_str(&text) {
                Ok(intent) => intent,
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, intent_id = id, "intent cannot be read, dropped");
                    self.drop_intent(id)?;
                    continue;
                }
            };
            if let Err(error) = self.recover_one(id, &intent) {
                let error = &error as &dyn std::error::Error;
                let command_id = &*intent.command_id;
                tracing::warn!(
                    error,
                    command_id,
                    "half-done command kept for the next start"
                );
                kept.extend(intent.action.own_name().map(str::to_owned));
                self.catalogue.write(move |tx| {
                    // One that an earlier version wrote has told no paths yet.
                    intents::replace(tx, id, &text, &intent.action.places())
                })?;
            }
        }
        self.sweep(&kept)
    }

    fn recover_one(&self, id: i64, intent: &Intent) -> Result<(), CommandError> {
        let (command, command_id) = (&*intent.command, &*intent.command_id);
        if let Action::Discard { .. } = &intent.action {
            tracing::info!(command, command_id, "source of a finished move removed");
            return self.discard(id, intent);
        }
        match self.happened(&intent.action)? {
            Some(lineage) => {
                tracing::info!(command, command_id, "half-done command finished");
                let (intent, aftermath) = (intent.clone(), intent.aftermath());
                self.catalogue
                    .write(move |tx| apply::finish(tx, Some(id), &intent, &lineage).map(|_| ()))?;
                match aftermath {
                    Some(aftermath) => self.discard(id, &aftermath),
                    None => Ok(()),
                }
            }
            None => {
                tracing::info!(command, command_id, "half-done command dropped");
                let made = self.on_the_way(&intent.action)?;
                let intent = intent.clone();
                self.catalogue.write(move |tx| {
                    apply::adopt(tx, &intent, made.as_ref())?;
                    Ok(intents::remove(tx, id)?)
                })
            }
        }
    }

    /// What stands on the way to the target of a command that did not take place: it may have made
    /// some of that.
    fn on_the_way(&self, action: &Action) -> Result<Option<(i64, PathFacts)>, CommandError> {
        let (mount_id, target) = match action {
            Action::Upload(Put { mount_id, path, .. }) => (*mount_id, path),
            Action::Move {
                target_mount_id,
                target_path,
                ..
            }
            | Action::Copy {
                target_mount_id,
                target_path,
                ..
            } => (*target_mount_id, target_path),
            Action::CreateDirectory { .. }
            | Action::Delete { .. }
            | Action::Discard { .. }
            | Action::PatchMetadata { .. } => {
                return Ok(None);
            }
        };
        let lineage = self
            .opener
            .by_id(mount_id)?
            .backend
            .lineage(&target.parent())?;
        let directories = lineage
            .into_iter()
            .take_while(|(_, facts)| facts.is_directory());
        Ok(Some((mount_id, directories.collect())))
    }

    pub(super) fn drop_intent(&self, id: i64) -> Result<(), StoreError> {
        self.catalogue.write(move |tx| intents::remove(tx, id))
    }

    /// Whether the file operation took place; if so, with what stands on the way to its target.
    fn happened(&self, action: &Action) -> Result<Option<PathFacts>, CommandError> {
        match action {
            // Doing it again does no harm.
            Action::CreateDirectory { mount_id, path, .. } => {
                let place = self.opener.by_id(*mount_id)?;
                Ok(place.backend.make_directory(path).ok())
            }
            Action::Upload(put) => self.happened_upload(put),
            Action::Delete {
                mount_id,
                path,
                trash,
                is_tree,
                ..
            } => {
                let place = self.opener.by_id(*mount_id)?;
                let at = |path: &str| place.backend.facts(path);
                if let Kind::Bucket(bucket) = place.backend.kind()
                    && *is_tree
                {
                    // It may have begun, and there is no way back.
                    bucket.remove_tree(path.as_str())?;
                }
                let is_trashed = match trash {
                    Some(trash) => at(trash)?.is_some(),
                    None => false,
                };
                let is_gone = is_trashed || at(path.as_str())?.is_none();
                Ok(is_gone.then(PathFacts::new))
            }
            Action::Move {
                target_mount_id,
                target_path,
                identity,
                transfer,
                ..
            } => {
                let place = self.opener.by_id(*target_mount_id)?;
                match transfer {
                    None => self.stands_at(&place, target_path, *identity),
                    Some(transfer) => self.happened_transfer(action, transfer),
                }
            }
            Action::Copy {
                target_mount_id,
                target_path,
                identity,
                transfer,
                ..
            } => {
                if let Some(transfer) = transfer {
                    return self.happened_transfer(action, transfer);
                }
                let place = self.opener.by_id(*target_mount_id)?;
                self.tree_stands_at(&place, target_path, *identity)
            }
            // Touches no file, so it is never half done.
            Action::PatchMetadata { .. } | Action::Discard { .. } => Ok(None),
        }
    }

    fn happened_upload(&self, put: &Put) -> Result<Option<PathFacts>, CommandError> {
        let place = self.opener.by_id(put.mount_id)?;
        let bucket = match (place.backend.kind(), put.facts) {
            (Kind::Bucket(bucket), _) => bucket,
            (Kind::Disk(_), Some(facts)) => {
                return self.stands_at(&place, &put.path, facts.identity);
            }
            (Kind::Disk(_), None) => return Ok(None),
        };
        let found = bucket.head(put.path.as_str())?;
        let Some(found) = found.filter(|found| found.is_put_by(&put.staged)) else {
            return Ok(None);
        };
        let mut lineage = place.backend.lineage(&put.path.parent())?;
        lineage.push((put.path.to_string(), bucket.facts_of_put(&found)));
        Ok(Some(lineage))
    }

    fn stands_at(
        &self,
        place: &OpenMount,
        path: &NodePath,
        identity: Identity,
    ) -> Result<Option<PathFacts>, CommandError> {
        let facts = place.backend.facts(path.as_str())?;
        if facts.is_none_or(|facts| facts.identity != identity) {
            return Ok(None);
        }
        let lineage = place.backend.lineage(&path.parent())?;
        Ok(Some(lineage))
    }

    pub(super) fn tree_stands_at(
        &self,
        place: &OpenMount,
        path: &NodePath,
        identity: Identity,
    ) -> Result<Option<PathFacts>, CommandError> {
        let Some(mut lineage) = self.stands_at(place, path, identity)? else {
            return Ok(None);
        };
        let tree = place.backend.tree_facts(path.as_str());
        lineage.extend(tree?);
        Ok(Some(lineage))
    }

    fn sweep(&self, kept: &[String]) -> Result<(), StoreError> {
        for mount in self.catalogue.read(mounts::all)? {
            let is_ours = mount.backend_kind == BackendKind::Local
                && mount.state == MountState::Active
                && mount.access_mode == AccessMode::ReadWrite;
            if !is_ours {
                continue;
            }
            let mount_key = mount.mount_key.clone();
            let swept = self
                .opener
                .open(mount)
                .and_then(|place| Ok(place.backend.sweep(kept)?));
            if let Err(error) = swept {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(
                    error,
                    mount_key,
                    "leftovers of uploads and deletions not removed"
                );
            }
        }
        Ok(())
    }
}

impl Action {
    /// What it changes, with all below.
    pub(super) fn places(&self) -> Vec<intents::Place<'_>> {
        match self {
            Self::CreateDirectory { mount_id, path, .. }
            | Self::Delete { mount_id, path, .. }
            | Self::Discard { mount_id, path, .. } => vec![(*mount_id, path.as_str())],
            Self::Upload(put) => vec![(put.mount_id, put.path.as_str())],
            Self::Move {
                mount_id,
                path,
                target_mount_id,
                target_path,
                ..
            } => vec![
                (*mount_id, path.as_str()),
                (*target_mount_id, target_path.as_str()),
            ],
            Self::Copy {
                target_mount_id,
                target_path,
                ..
            } => vec![(*target_mount_id, target_path.as_str())],
            Self::PatchMetadata { .. } => Vec::new(),
        }
    }

    /// The name in the mount's root that it needs.
    fn own_name(&self) -> Option<&str> {
        match self {
            Self::Upload(Put { staged, .. }) | Self::Copy { staged, .. } => Some(staged),
            Self::Delete { trash, .. } => trash.as_deref(),
            Self::Move {
                transfer: Some(Transfer::Staged { name }),
                ..
            } => Some(name),
            _ => None,
        }
    }
}
