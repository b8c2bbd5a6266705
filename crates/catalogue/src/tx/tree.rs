//! Moving and removing a whole tree: an entry for each node.

use super::WriteTx;
use crate::change::{self, Cause, Verb};
use crate::{Node, StoreError, nodes};
use journal::NodeState;
use node::Facts;
use std::collections::HashMap;

/// How many children are looked at at once when a whole directory is gone through.
const CHILDREN: usize = 1_000;

impl WriteTx<'_> {
    /// Takes its path from a node that gets another one later in this very job, where a node whose
    /// turn comes first needs it (two names were swapped). No reader ever sees the node without a
    /// path: `NUL` is part of none.
    ///
    /// # Errors
    /// A statement fails.
    pub fn vacate(&mut self, node: &Node) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE nodes SET path = char(0) || id WHERE id = ?1";
        self.read
            .connection()
            .prepare_cached(SQL)?
            .execute([node.id])?;
        Ok(())
    }

    /// Moves a node and all below it: one `moved` entry each, parents first. Gives how many.
    /// `placed` tells the facts that those have at their new paths which were not simply renamed;
    /// one that comes out with another size has lost its digests.
    ///
    /// # Errors
    /// [`StoreError::Stale`] if `before` is not the row any more; the new path must be free.
    pub fn move_tree(
        &mut self,
        cause: &Cause<'_>,
        before: &Node,
        parent: &Node,
        name: &str,
        placed: &HashMap<String, Facts>,
    ) -> Result<(Node, i64), StoreError> {
        let mut after = before.clone();
        after.mount_id = parent.mount_id;
        after.parent_id = Some(parent.id);
        after.path = node::join(&parent.path, name);
        change::place(&mut after, placed);
        self.change(cause, Verb::Moved, Some(before), &mut after)?;
        let moved = self.each_below(&after, |tx, parent, child| {
            let mut after = child.clone();
            after.mount_id = parent.mount_id;
            after.path = node::join(&parent.path, child.name());
            change::place(&mut after, placed);
            tx.change(cause, Verb::Moved, Some(child), &mut after)?;
            Ok(Some(after))
        })?;
        Ok((after, moved + 1))
    }

    /// Takes a node and all below it off the disk's account: `Deleted`, or `Missing`, which leaves
    /// out those that are missing already. One entry each, parents first. Gives how many.
    ///
    /// # Errors
    /// [`StoreError::Stale`] if `before` is not the row any more.
    pub fn remove_tree(
        &mut self,
        cause: &Cause<'_>,
        verb: Verb,
        before: &Node,
    ) -> Result<(Node, i64), StoreError> {
        let mut after = change::gone(before, verb, self.now);
        self.change(cause, verb, Some(before), &mut after)?;
        let removed = self.each_below(&after, |tx, _, child| {
            if matches!(verb, Verb::Missing(_)) && child.state == NodeState::Missing {
                return Ok(None);
            }
            let mut after = change::gone(child, verb, tx.now);
            tx.change(cause, verb, Some(child), &mut after)?;
            Ok(Some(after))
        })?;
        Ok((after, removed + 1))
    }

    /// Goes through all that is below a directory and not deleted, parents first, a page of
    /// children at a time. `change` gets the parent as it is now and the child as it was, and gives
    /// the child as it is now, or `None` to leave it and all below it as they are.
    fn each_below(
        &mut self,
        top: &Node,
        mut change: impl FnMut(&mut Self, &Node, &Node) -> Result<Option<Node>, StoreError>,
    ) -> Result<i64, StoreError> {
        let mut changed = 0;
        let mut directories = vec![top.clone()];
        while let Some(parent) = directories.pop().filter(Node::is_directory) {
            let mut after = None;
            loop {
                let page = nodes::children(&self.read, parent.id, after.as_ref(), CHILDREN)?;
                let Some(last) = page.last() else { break };
                after = Some((last.name().to_owned(), last.id));
                for child in &page {
                    let Some(child) = change(self, &parent, child)? else {
                        continue;
                    };
                    changed += 1;
                    if child.is_directory() {
                        directories.push(child);
                    }
                }
            }
        }
        Ok(changed)
    }
}
