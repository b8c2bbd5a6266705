//! Copies: staged under a name of our own while nothing is locked, then put in place like an upload.
//! Those into a bucket are put object by object ([`super::transfer`]).

use super::request::{Actor, CopyNode};
use super::run::{Run, exists};
use super::{Action, Answer, CommandError, Commands, Step, drift, refuse_own};
use ::node::Facts;
use backend::{Backend as _, Disk, Kind};
use journal::NodeKind;

impl Commands {
    /// Copies a file, or a directory with all in it.
    pub(crate) fn copy_node(&self, actor: Actor, ask: &CopyNode) -> Result<Answer, CommandError> {
        self.run(
            "copyNode",
            actor,
            ask,
            Some((ask.mount_id, &ask.path)),
            |run| {
                let from = self.opener.by_id(ask.mount_id)?;
                let to = self.writable(ask.target_mount_id)?;
                refuse_own(&from, &ask.path)?;
                refuse_own(&to, &ask.target_path)?;
                if ask.mount_id == ask.target_mount_id && ask.target_path.is_within(&ask.path) {
                    return Err(CommandError::IntoItself(ask.path.to_string()));
                }
                let source = self
                    .node_at(ask.mount_id, &ask.path)?
                    .ok_or_else(|| CommandError::NoNodeAt(ask.path.to_string()))?;
                let kind = source.facts.kind;
                self.check_copy(ask, kind)?;
                let Kind::Disk(disk) = to.backend.kind() else {
                    let copy = || self.copy_to_bucket(&run, (&from, &to), ask, kind);
                    return self.on_target(ask, kind, copy);
                };
                let (staged, facts) = self.stage_copy(&from, ask.path.as_str(), disk)?;
                if facts.kind != kind {
                    let _ = disk.remove_trash(&staged);
                    return Err(drift(ask.mount_id, &ask.path));
                }
                let put = self.on_target(ask, kind, || {
                    self.put_copy(&run, disk, ask, (&staged, facts))
                });
                if put.is_err() {
                    // The error that stopped it is the one to tell; a sweep removes what remains.
                    let _ = disk.remove_trash(&staged);
                }
                put
            },
        )
    }

    fn on_target<T>(&self, ask: &CopyNode, kind: NodeKind, work: impl FnOnce() -> T) -> T {
        let target = ask.target_mount_id;
        match kind {
            NodeKind::Directory => self.locks.on_trees(&[target], work),
            NodeKind::File => self.locks.on_paths(&[(target, &ask.target_path)], work),
        }
    }

    pub(super) fn check_copy(&self, ask: &CopyNode, kind: NodeKind) -> Result<(), CommandError> {
        match self.node_at(ask.target_mount_id, &ask.target_path)? {
            Some(there)
                if !ask.overwrite || there.is_directory() || kind == NodeKind::Directory =>
            {
                Err(exists(&ask.target_path, &there))
            }
            _ => Ok(()),
        }
    }

    fn put_copy(
        &self,
        run: &Run<'_>,
        disk: &Disk,
        ask: &CopyNode,
        (staged, facts): (&str, Facts),
    ) -> Result<Answer, CommandError> {
        self.check_copy(ask, facts.kind)?;
        let intended = run.intend(Action::Copy {
            mount_id: ask.mount_id,
            path: ask.path.clone(),
            target_mount_id: ask.target_mount_id,
            target_path: ask.target_path.clone(),
            staged: staged.to_owned(),
            identity: facts.identity,
            transfer: None,
        })?;
        let target = ask.target_path.as_str();
        let lineage = intended.attempt(|| {
            let (mut lineage, ()) = disk.in_directories(&ask.target_path.parent(), || {
                self.step(Step::DirectoriesMade);
                disk.rename(staged, disk, target, ask.overwrite)
            })?;
            lineage.extend(disk.tree_facts(target)?);
            Ok::<_, backend::Error>(lineage)
        })?;
        intended.commit(lineage)
    }
}
