//! Commands that may be about whole trees: delete and move.

use super::request::{Actor, DeleteNode, MoveNode};
use super::run::{Run, exists, expect_version, renamed};
use super::{Action, Answer, CommandError, Commands, Step, drift, refuse_own};
use crate::open_mount::OpenMount;
use ::node::{Contents, Facts};
use backend::{Kind, PathFacts, Reason};
use catalogue::{Node, nodes};
use journal::NodeKind;

impl Commands {
    /// Deletes a file, an empty directory, or a directory with all in it.
    pub(crate) fn delete(&self, actor: Actor, ask: &DeleteNode) -> Result<Answer, CommandError> {
        self.run(
            "deleteNode",
            actor,
            ask,
            Some((ask.mount_id, &ask.path)),
            |run| {
                let place = self.writable(ask.mount_id)?;
                refuse_own(&place, &ask.path)?;
                let node = self.node_to_delete(ask)?;
                if node.is_directory() {
                    self.locks
                        .on_trees(&[ask.mount_id], || self.delete_locked(&run, &place, ask))
                } else {
                    self.locks.on_paths(&[(ask.mount_id, &ask.path)], || {
                        match self.node_to_delete(ask)?.is_directory() {
                            true => Err(CommandError::Busy(ask.path.to_string())),
                            false => self.delete_locked(&run, &place, ask),
                        }
                    })
                }
            },
        )
    }

    /// The node at the path, or one that is missing from there: its deletion ends its life.
    fn node_to_delete(&self, ask: &DeleteNode) -> Result<Node, CommandError> {
        let path = ask.path.as_str();
        let node = self.catalogue.read(|connection| {
            let at = nodes::at(connection, ask.mount_id, path)?;
            let missing = |kind| nodes::missing_at(connection, ask.mount_id, path, kind);
            match at {
                Some(node) => Ok(Some(node)),
                None => Ok::<_, CommandError>(
                    missing(NodeKind::File)?.or(missing(NodeKind::Directory)?),
                ),
            }
        })?;
        node.ok_or_else(|| CommandError::NoNodeAt(ask.path.to_string()))
    }

    fn delete_locked(
        &self,
        run: &Run<'_>,
        place: &OpenMount,
        ask: &DeleteNode,
    ) -> Result<Answer, CommandError> {
        let node = self.node_to_delete(ask)?;
        expect_version(Some(&node), ask.expected_version, &ask.path)?;
        let facts = place.backend.facts(ask.path.as_str())?;
        // A missing node has nothing on disk that is its own.
        let on_disk = facts.filter(|_| node.is_on_disk());
        if on_disk.is_some_and(|facts| facts.kind != node.facts.kind) {
            return Err(drift(ask.mount_id, &ask.path));
        }
        if node.is_directory() && !ask.recursive && self.has_children(node.id)? {
            return Err(CommandError::NotEmpty(ask.path.to_string()));
        }
        let is_tree = ask.recursive && on_disk.is_some_and(|facts| facts.is_directory());
        let trash = match place.backend.kind() {
            Kind::Disk(disk) if is_tree => Some(disk.trash_name()),
            _ => None,
        };
        let intended = run.intend(Action::Delete {
            mount_id: ask.mount_id,
            path: ask.path.clone(),
            node_id: node.id,
            is_tree: is_tree && trash.is_none(),
            trash: trash.clone(),
        })?;
        intended.attempt(|| match on_disk {
            Some(facts) => remove(place, ask.path.as_str(), facts, is_tree, trash.as_deref()),
            None => Ok(()),
        })?;
        let answer = intended.commit(PathFacts::new())?;
        if let (Some(trash), Kind::Disk(disk)) = (trash, place.backend.kind())
            && let Err(error) = disk.remove_trash(&trash)
        {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(
                error,
                trash,
                "deleted tree could not be removed from disk entirely"
            );
        }
        Ok(answer)
    }

    fn has_children(&self, directory: i64) -> Result<bool, CommandError> {
        let rollup = self
            .catalogue
            .read(|connection| catalogue::rollups::of(connection, directory))?;
        Ok(rollup.is_some_and(|rollup| rollup.child_count > 0))
    }

    /// Moves or renames a node with all below it.
    pub(crate) fn move_node(&self, actor: Actor, ask: &MoveNode) -> Result<Answer, CommandError> {
        self.run(
            "moveNode",
            actor,
            ask,
            Some((ask.mount_id, &ask.path)),
            |run| {
                let from = self.writable(ask.mount_id)?;
                let to = self.writable(ask.target_mount_id)?;
                refuse_own(&from, &ask.path)?;
                refuse_own(&to, &ask.target_path)?;
                if ask.mount_id == ask.target_mount_id && ask.target_path.is_within(&ask.path) {
                    return Err(CommandError::IntoItself(ask.path.to_string()));
                }
                if self.node_to_move(ask)?.is_directory() {
                    self.locks
                        .on_trees(&[ask.mount_id, ask.target_mount_id], || {
                            self.move_locked(&run, (&from, &to), ask)
                        })
                } else {
                    let paths = [
                        (ask.mount_id, &ask.path),
                        (ask.target_mount_id, &ask.target_path),
                    ];
                    self.locks
                        .on_paths(&paths, || match self.node_to_move(ask)?.is_directory() {
                            true => Err(CommandError::Busy(ask.path.to_string())),
                            false => self.move_locked(&run, (&from, &to), ask),
                        })
                }
            },
        )
    }

    fn node_to_move(&self, ask: &MoveNode) -> Result<Node, CommandError> {
        self.node_at(ask.mount_id, &ask.path)?
            .ok_or_else(|| CommandError::NoNodeAt(ask.path.to_string()))
    }

    fn move_locked(
        &self,
        run: &Run<'_>,
        (from, to): (&OpenMount, &OpenMount),
        ask: &MoveNode,
    ) -> Result<Answer, CommandError> {
        let node = self.node_to_move(ask)?;
        expect_version(Some(&node), ask.expected_version, &ask.path)?;
        if let Some(there) = self.node_at(ask.target_mount_id, &ask.target_path)?
            && (!ask.overwrite || there.is_directory() || node.is_directory())
        {
            return Err(exists(&ask.target_path, &there));
        }
        let facts = from.backend.facts(ask.path.as_str())?;
        let facts = facts
            .filter(|facts| facts.kind == node.facts.kind)
            .ok_or_else(|| drift(ask.mount_id, &ask.path))?;
        let (Kind::Disk(source), Kind::Disk(target)) = (from.backend.kind(), to.backend.kind())
        else {
            return self.move_by_copy(run, (from, to), ask, &node);
        };
        let intended = run.intend(Action::move_of(ask, &node, facts.identity))?;
        let moved = intended.attempt(|| {
            target.in_directories(&ask.target_path.parent(), || {
                self.step(Step::DirectoriesMade);
                let path = ask.target_path.as_str();
                source.rename(ask.path.as_str(), target, path, ask.overwrite)
            })
        });
        match moved {
            // They are on different filesystems.
            Err(CommandError::Backend(error)) if error.reason == Reason::OtherFilesystem => {
                self.move_by_copy(run, (from, to), ask, &node)
            }
            moved => {
                let (mut lineage, ()) = moved?;
                // What the look before did not explain, the next one is to see.
                if facts.contents_since(&node.facts) == Contents::Kept {
                    let now = renamed(target, &ask.target_path);
                    lineage.extend(now.filter(|(_, now)| now.has_identity_of(&facts)));
                }
                intended.commit(lineage)
            }
        }
    }
}

fn remove(
    place: &OpenMount,
    path: &str,
    facts: Facts,
    is_tree: bool,
    trash: Option<&str>,
) -> Result<(), backend::Error> {
    match (place.backend.kind(), trash) {
        (Kind::Disk(disk), Some(trash)) => disk.rename(path, disk, trash, false)?,
        (Kind::Disk(_), None) => place.backend.remove(path, facts.is_directory())?,
        (Kind::Bucket(bucket), _) => {
            bucket.keep_parent(path)?;
            if is_tree {
                bucket.remove_tree(path)?;
            } else {
                place.backend.remove(path, facts.is_directory())?;
            }
        }
    }
    Ok(())
}
