//! Copies: staged under a name of our own while nothing is locked, then put in place like an upload.

use super::request::{Actor, CopyNode};
use super::run::{Run, exists, of_disk};
use super::{Action, Answer, CommandError, Commands, Place, Step};
use crate::walk::Facts;
use journal::NodeKind;

impl Commands {
    /// Copies a file, or a directory with all in it.
    pub(crate) fn copy_node(&self, actor: Actor, ask: &CopyNode) -> Result<Answer, CommandError> {
        self.run("copyNode", actor, ask, |run| {
            let from = self.place(ask.mount_id)?;
            let to = self.writable(ask.target_mount_id)?;
            from.refuse_own(&ask.path)?;
            to.refuse_own(&ask.target_path)?;
            if ask.mount_id == ask.target_mount_id && ask.target_path.is_within(&ask.path) {
                return Err(CommandError::IntoItself(ask.path.to_string()));
            }
            let source = self
                .node_at(ask.mount_id, &ask.path)?
                .ok_or_else(|| CommandError::NoNodeAt(ask.path.to_string()))?;
            let kind = source.facts.kind;
            self.check_copy(ask, kind)?;
            let (staged, facts) = from
                .disk
                .copy_to(ask.path.as_str(), &to.disk)
                .map_err(of_disk)?;
            if facts.kind != kind {
                let _ = to.disk.remove_trash(&staged);
                return Err(self.drift(ask.mount_id, &ask.path, "copyNode"));
            }
            let put = || self.put_copy(&run, &to, ask, (&staged, facts));
            let put = match kind {
                NodeKind::Directory => self.locks.on_trees(&[ask.target_mount_id], put),
                NodeKind::File => self
                    .locks
                    .on_paths(&[(ask.target_mount_id, &ask.target_path)], put),
            };
            if put.is_err() {
                // The error that stopped it is the one to tell; a sweep removes what remains.
                let _ = to.disk.remove_trash(&staged);
            }
            put
        })
    }

    fn check_copy(&self, ask: &CopyNode, kind: NodeKind) -> Result<(), CommandError> {
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
        to: &Place,
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
        })?;
        let target = ask.target_path.as_str();
        let lineage = intended.attempt(|| {
            let (mut lineage, ()) = to.disk.in_directories(&ask.target_path.parent(), || {
                self.step(Step::DirectoriesMade);
                to.disk.rename(staged, &to.disk, target, ask.overwrite)
            })?;
            lineage.extend(to.disk.tree_facts(target)?);
            Ok(lineage)
        })?;
        intended.commit(lineage)
    }
}
