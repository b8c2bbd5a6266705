//! Moves and copies that no rename can do: between filesystems, and from, to and within buckets.
//!
//! Onto a disk, the tree is copied under a name of our own, compared with its source, and renamed to
//! its place. Into a bucket, object after object is put at its place, since an object has no other;
//! so a scan, or anybody who looks, may see a part of a tree there. The intent says which:
//!
//! - crashed while objects were sent: those that have a counterpart in the source are taken back,
//!   and the command did not happen. A single file is there or not, and if it is, it did.
//! - crashed after all were there, or after the rename: it is committed.
//! - a move, once committed, leaves the intent to delete the source ([`discard`]).
//!
//! Compared are sizes and blake3 hashes, with what is read back on disks; S3 checks what it is sent
//! against the hash in the signature, and its answer is compared by size. A source that changed
//! while it was copied, or whose contents are not what the catalogue has a hash of although size and
//! time are, is refused.

mod discard;
mod send;
mod stage;

pub(super) use discard::Copied;

use super::request::{CopyNode, MoveNode};
use super::run::Run;
use super::{Action, Answer, CommandError, Commands, Step, Transfer};
use crate::open_mount::OpenMount;
use ::node::Identity;
use ::node::NodePath;
use backend::{Backend as _, Bucket, Kind, PathFacts};
use catalogue::Node;
use journal::NodeKind;
use send::{Sending, is_server_copy, take_back};

const NOBODY: Identity = Identity {
    dev: 0,
    ino: 0,
    born_ns: None,
};

impl Commands {
    /// Moves by copying. The source goes after the commit.
    pub(super) fn move_by_copy(
        &self,
        run: &Run<'_>,
        (from, to): (&OpenMount, &OpenMount),
        ask: &MoveNode,
        node: &Node,
    ) -> Result<Answer, CommandError> {
        let target = &ask.target_path;
        let disk = match to.backend.kind() {
            Kind::Disk(disk) => disk,
            Kind::Bucket(bucket) => {
                let action = Action::move_of(ask, node, NOBODY);
                let source = (ask.path.as_str(), node.facts.kind);
                return self.send_tree(
                    run,
                    action,
                    (from, source),
                    (bucket, target),
                    ask.overwrite,
                );
            }
        };
        let path = ask.path.as_str();
        let manifest = from.backend.tree_facts(path)?;
        let (name, facts) = self.stage_copy(from, path, disk)?;
        let compared = match from.backend.kind() {
            Kind::Disk(source) => self.compare(from, source, path, (disk, &name)),
            // It was compared as it came.
            Kind::Bucket(_) => Ok(()),
        };
        let is_same = || match from.backend.tree_facts(path)? == manifest {
            true => Ok(()),
            false => Err(CommandError::Busy(path.to_owned())),
        };
        if let Err(error) = compared.and_then(|()| is_same()) {
            let _ = disk.remove_trash(&name);
            return Err(error);
        }
        let mut action = Action::move_of(ask, node, facts.identity);
        if let Action::Move {
            transfer, copied, ..
        } = &mut action
        {
            *transfer = Some(Transfer::Staged { name: name.clone() });
            *copied = Copied::of(&manifest, path);
        }
        let intended = run.intend(action)?;
        let lineage = intended.attempt(|| {
            let (mut lineage, ()) = disk.in_directories(&target.parent(), || {
                self.step(Step::DirectoriesMade);
                disk.rename(&name, disk, target.as_str(), ask.overwrite)
            })?;
            lineage.extend(disk.tree_facts(target.as_str())?);
            Ok::<_, backend::Error>(lineage)
        });
        if lineage.is_err() {
            // The error that stopped it is the one to tell; a sweep removes what remains.
            let _ = disk.remove_trash(&name);
        }
        intended.commit(lineage?)
    }

    /// Copies into a bucket.
    pub(super) fn copy_to_bucket(
        &self,
        run: &Run<'_>,
        (from, to): (&OpenMount, &OpenMount),
        ask: &CopyNode,
        kind: NodeKind,
    ) -> Result<Answer, CommandError> {
        self.check_copy(ask, kind)?;
        let Kind::Bucket(bucket) = to.backend.kind() else {
            return Err(CommandError::Busy(ask.target_path.to_string()));
        };
        let action = Action::Copy {
            mount_id: ask.mount_id,
            path: ask.path.clone(),
            target_mount_id: ask.target_mount_id,
            target_path: ask.target_path.clone(),
            staged: String::new(),
            identity: NOBODY,
            transfer: None,
        };
        let source = (ask.path.as_str(), kind);
        self.send_tree(
            run,
            action,
            (from, source),
            (bucket, &ask.target_path),
            ask.overwrite,
        )
    }

    fn send_tree(
        &self,
        run: &Run<'_>,
        mut action: Action,
        (from, (path, kind)): (&OpenMount, (&str, NodeKind)),
        (bucket, target): (&Bucket, &NodePath),
        overwrite: bool,
    ) -> Result<Answer, CommandError> {
        let manifest = from.backend.tree_facts(path)?;
        if manifest.first().is_none_or(|(_, facts)| facts.kind != kind) {
            return Err(CommandError::Gone(path.to_owned()));
        }
        let previous = bucket.facts(target.as_str())?;
        let is_tree = kind == NodeKind::Directory;
        if let Some(previous) = previous
            && (is_tree || previous.is_directory() || !overwrite)
        {
            return Err(CommandError::ExistsOnDisk(target.to_string()));
        }
        let token = uuid::Uuid::now_v7().simple().to_string();
        let size = manifest.first().map_or(0, |(_, facts)| facts.size_bytes);
        let is_marked = !is_server_copy(from, bucket, size);
        let sending = Transfer::Sending {
            token: is_marked.then(|| token.clone()),
            previous: previous.map(|facts| facts.identity),
            is_tree,
        };
        if let Action::Move { transfer, .. } | Action::Copy { transfer, .. } = &mut action {
            *transfer = Some(sending);
        }
        if let Action::Move { copied, .. } = &mut action {
            *copied = Copied::of(&manifest, path);
        }
        let mut intended = run.intend(action)?;
        let sending = Sending {
            commands: self,
            from,
            bucket,
            token: &token,
            overwrite,
        };
        let sent = bucket
            .make_parents(&target.parent())
            .map_err(CommandError::from)
            .and_then(|above| {
                let placed = sending.all(&manifest, path, target.as_str())?;
                intended.advance(Transfer::Sent)?;
                Ok(above.into_iter().chain(placed).collect::<PathFacts>())
            });
        if sent.is_err() && is_tree {
            take_back(bucket, target.as_str(), path, &manifest);
        }
        let lineage = intended.attempted(sent)?;
        intended.commit(lineage)
    }

    /// What became of a transfer that was cut off; with its lineage, if it happened.
    pub(super) fn happened_transfer(
        &self,
        action: &Action,
        transfer: &Transfer,
    ) -> Result<Option<PathFacts>, CommandError> {
        let (Action::Move {
            mount_id,
            path,
            target_mount_id,
            target_path,
            identity,
            ..
        }
        | Action::Copy {
            mount_id,
            path,
            target_mount_id,
            target_path,
            identity,
            ..
        }) = action
        else {
            return Ok(None);
        };
        let to = self.opener.by_id(*target_mount_id)?;
        let target = target_path.as_str();
        match (transfer, to.backend.kind()) {
            (Transfer::Staged { .. }, _) => {
                return self.tree_stands_at(&to, target_path, *identity);
            }
            (Transfer::Sent, _) => {}
            (
                Transfer::Sending {
                    is_tree: false,
                    token,
                    previous,
                },
                Kind::Bucket(bucket),
            ) => {
                let there = bucket.head(target)?.filter(|there| match token {
                    Some(token) => there.is_put_by(token),
                    None => Some(there.object.facts().identity) != *previous,
                });
                if there.is_none() {
                    return Ok(None);
                }
            }
            (Transfer::Sending { .. }, Kind::Bucket(bucket)) => {
                let from = self.opener.by_id(*mount_id)?;
                let manifest = from.backend.tree_facts(path.as_str())?;
                take_back(bucket, target, path.as_str(), &manifest);
                return Ok(None);
            }
            (Transfer::Sending { .. }, Kind::Disk(_)) => return Ok(None),
        }
        let mut lineage = to.backend.lineage(&target_path.parent())?;
        lineage.extend(to.backend.tree_facts(target)?);
        Ok(Some(lineage))
    }
}
