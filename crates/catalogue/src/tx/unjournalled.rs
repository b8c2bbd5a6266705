//! What a job writes that is no change anybody is to be told of: no version, no journal entry.

use super::WriteTx;
use crate::formers::{self, Former};
use crate::listings::{self, Listing};
use crate::moment::Column;
use crate::{Node, StoreError, doubt, nodes};
use journal::{JournalId, NodeState, Time};
use node::Facts;
use rusqlite::params;

impl WriteTx<'_> {
    /// Learns what the disk says of a node where that is no change that anybody is to be told of:
    /// its identity, its change time and how many names it has. Neither version nor journal move, so
    /// everything else must be what it is.
    ///
    /// # Errors
    /// A statement fails.
    pub fn learn(&mut self, id: i64, facts: &Facts) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE nodes SET changed_ns = ?2, links = ?3 WHERE id = ?1";
        let changed = facts.changed_ns.map(Column);
        let links = facts.inode.and_then(|inode| inode.links);
        self.read
            .connection()
            .prepare_cached(SQL)?
            .execute(params![id, changed, links])?;
        self.learn_identity(id, facts.identity)
    }

    /// The node's digests are not relied on until they have been looked at again.
    ///
    /// # Errors
    /// A statement fails.
    pub fn doubt(&mut self, id: i64) -> Result<(), StoreError> {
        doubt::insert(self.read.connection(), id, self.now)
    }

    /// The node's digests have been looked at, or are gone.
    ///
    /// # Errors
    /// A statement fails.
    pub fn trust(&mut self, id: i64) -> Result<(), StoreError> {
        doubt::remove(self.read.connection(), id)
    }

    /// Learns which file a node is, and nothing else.
    ///
    /// # Errors
    /// A statement fails.
    pub fn learn_identity(&mut self, id: i64, identity: node::Identity) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE nodes SET dev = ?2, ino = ?3, born_ns = ?4 WHERE id = ?1";
        self.read
            .connection()
            .prepare_cached(SQL)?
            .execute(params![
                id,
                identity.dev,
                identity.ino,
                identity.born_ns.map(Column)
            ])?;
        Ok(())
    }

    /// Learns which filesystem a mount's root lies on.
    ///
    /// # Errors
    /// A statement fails.
    pub fn learn_volume(&mut self, mount_id: i64, volume: i64) -> Result<(), StoreError> {
        self.read
            .connection()
            .prepare_cached("UPDATE mounts SET volume = ?2 WHERE id = ?1")?
            .execute((mount_id, volume))?;
        Ok(())
    }

    /// Notes which file a node is that another file is about to take over.
    ///
    /// # Errors
    /// A statement fails.
    pub fn note_former(&mut self, node: &Node) -> Result<(), StoreError> {
        let (place, identity) = ((node.mount_id, node.id), node.facts.identity);
        formers::note(self.read.connection(), place, identity, self.now)
    }

    /// Gives a node back to the file that it was, and gives the node as it was until now. It is no
    /// change that anybody is to be told of: that comes with the file's own place.
    ///
    /// # Errors
    /// A statement fails.
    pub fn give_back(&mut self, former: &Former) -> Result<Option<Node>, StoreError> {
        formers::forget_from(self.read.connection(), former)?;
        let node = nodes::by_id(&self.read, former.node)?;
        let Some(node) = node.filter(|node| node.state != NodeState::Deleted) else {
            return Ok(None);
        };
        self.learn_identity(node.id, former.identity)?;
        self.touch(node.parent_id)?;
        Ok(Some(node))
    }

    /// Forgets what nodes of this mount were taken over before then.
    ///
    /// # Errors
    /// A statement fails.
    pub fn forget_formers(&mut self, mount_id: i64, before: Time) -> Result<(), StoreError> {
        formers::forget_before(self.read.connection(), mount_id, before)
    }

    /// A scan of this mount begins to write, or has ended.
    ///
    /// # Errors
    /// A statement fails.
    pub fn mark_scan(&mut self, mount_id: i64, has_ended: bool) -> Result<(), StoreError> {
        let sql = if has_ended {
            "DELETE FROM unfinished_scans WHERE mount_id = ?1"
        } else {
            "INSERT OR IGNORE INTO unfinished_scans (mount_id) VALUES (?1)"
        };
        self.read
            .connection()
            .prepare_cached(sql)?
            .execute([mount_id])?;
        Ok(())
    }

    /// Remembers that the nodes of a directory agree with this listing, unless one of them changed
    /// after `seen_at`. It is no change that anybody is to be told of.
    ///
    /// # Errors
    /// A statement fails.
    pub fn remember_listing(
        &mut self,
        directory: i64,
        listing: &Listing,
        seen_at: JournalId,
    ) -> Result<(), StoreError> {
        self.touched = 0;
        listings::remember(self.read.connection(), directory, listing, seen_at)
    }
}
