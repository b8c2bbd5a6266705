//! What a job of the writer can do: change nodes and append to the journal, together.

use super::change::{self, Cause, Fact, Verb};
use super::doubt;
use super::entries::{self, Run};
use super::formers::{self, Former};
use super::inode;
use super::listings::{self, Listing};
use super::moment::Column;
use super::rollups::{self, Pending};
use super::{Head, Names, Node, Owner, ReadTx, StoreError, nodes};
use journal::{EventType, JournalId, NodeState, Time};
use node::{Facts, InodeFacts, StorageClass};
use rusqlite::{Connection, params};
use std::collections::HashMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicI64, Ordering};

/// How many children are looked at at once when a whole directory is gone through.
const CHILDREN: usize = 1_000;

/// The running transaction, as a job sees it.
///
/// Nodes are written by [`WriteTx::change`] and by what builds on it only: a row, its journal entry
/// and its part of the rollups are always written together. What a job appends to the journal it
/// does not read there itself: many entries are gathered first, to be sealed as blocks.
pub struct WriteTx<'c> {
    read: ReadTx<'c>,
    node_ids: &'c AtomicI64,
    /// Whose the file was that changed last: files mostly are the same user's.
    owner: Option<(InodeFacts, Owner)>,
    now: Time,
    head: Head,
    head_before_job: Head,
    group: Pending,
    job: Pending,
    /// What the job has appended and not written yet.
    entries: Run,
    /// Some of it could not be written.
    has_lost_entries: bool,
    buffer: Vec<u8>,
    /// The directory whose listing was touched last: its nodes mostly change one after another.
    touched: i64,
}

impl std::fmt::Debug for WriteTx<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WriteTx")
            .field("head", &self.head)
            .finish_non_exhaustive()
    }
}

impl<'c> Deref for WriteTx<'c> {
    type Target = ReadTx<'c>;

    fn deref(&self) -> &ReadTx<'c> {
        &self.read
    }
}

impl<'c> WriteTx<'c> {
    pub(super) fn new(
        connection: &'c Connection,
        node_ids: &'c AtomicI64,
        names: Option<&'c dyn Names>,
        head: Head,
        now: Time,
    ) -> Self {
        Self {
            read: ReadTx::with_names(connection, names),
            node_ids,
            owner: None,
            now,
            head,
            head_before_job: head,
            group: Pending::default(),
            job: Pending::default(),
            entries: Run::after(head),
            has_lost_entries: false,
            buffer: Vec::with_capacity(1024),
            touched: 0,
        }
    }

    pub(super) fn begin_job(&mut self, now: Time) {
        self.now = now;
        self.head_before_job = self.head;
    }

    pub(super) fn keep_job(&mut self) {
        self.group.append(&mut self.job);
    }

    pub(super) fn undo_job(&mut self) {
        self.head = self.head_before_job;
        self.entries = Run::after(self.head);
        self.has_lost_entries = false;
        self.job.clear();
        self.touched = 0;
    }

    /// Writes what the job has appended. Its last step.
    pub(super) fn write_entries(&mut self) -> Result<(), StoreError> {
        if self.has_lost_entries {
            let lost = "entries of a job were not written, and it went on".to_owned();
            return Err(StoreError::Damaged(lost));
        }
        let entries = std::mem::replace(&mut self.entries, Run::after(self.head));
        entries::write_all(self.read.connection(), entries)
    }

    /// What remains to be written before the commit: the rollups, and where the journal stands.
    pub(super) fn finish(mut self, before: Head) -> rusqlite::Result<Head> {
        if self.head == before {
            return Ok(before);
        }
        self.group.carry_up(self.read.connection(), self.now)?;
        self.read
            .connection()
            .prepare_cached(include_str!("sql/set_head.sql"))?
            .execute(params![
                self.head.id.as_i64(),
                self.head.digest.as_bytes(),
                self.node_ids.load(Ordering::Relaxed),
            ])?;
        Ok(self.head)
    }

    /// The job's time.
    pub const fn now(&self) -> Time {
        self.now
    }

    /// The last entry so far.
    pub const fn head(&self) -> Head {
        self.head
    }

    /// Writes the node's new row, its journal entry and its part of the rollups. `before` is the
    /// row as it is now, `None` for a new node, which gets an id unless it has one. The version,
    /// the journal id and the times of the row are set here.
    ///
    /// # Errors
    /// [`StoreError::Stale`] if the row is not `before` any more.
    pub fn change(
        &mut self,
        cause: &Cause<'_>,
        verb: Verb,
        before: Option<&Node>,
        after: &mut Node,
    ) -> Result<JournalId, StoreError> {
        debug_assert!(
            change::keeps_kind(before, after.facts.kind),
            "a node keeps its kind"
        );
        settle(before, after);
        after.journal_id = self.head.id.next();
        after.updated_at = self.now;
        after.deleted_at = (after.state == NodeState::Deleted).then_some(self.now);
        match before {
            None => {
                after.version = 1;
                after.created_at = self.now;
                if after.id == 0 {
                    after.id = self.node_ids.fetch_add(1, Ordering::Relaxed);
                }
                self.insert(after)?;
            }
            Some(before) => {
                after.id = before.id;
                after.version = before.version + 1;
                self.update(before, after)?;
            }
        }
        if before
            .is_some_and(|before| before.is_in_doubt && before.content_hash != after.content_hash)
        {
            self.trust(after.id)?;
        }
        self.roll_up(before, after)?;
        self.touch(after.parent_id)?;
        if let Some(before) = before
            && before.parent_id != after.parent_id
        {
            self.touch(before.parent_id)?;
        }
        let mut data = std::mem::take(&mut self.buffer);
        data.clear();
        self.ask_owner(after);
        let owner = self.owner.as_ref().map(|(_, owner)| owner);
        let owner_before = |before: &Node| self.read.owner(before);
        let after_change = (&*after, owner);
        change::write_data(
            &mut data,
            (cause, verb),
            before,
            after_change,
            owner_before,
            self.now,
        )?;
        let size_delta = change::size_delta(before, after);
        let id = self.append_data(verb.event_type(), Some(after.id), size_delta, &data)?;
        self.buffer = data;
        Ok(id)
    }

    /// Appends an entry that changes no node.
    ///
    /// # Errors
    /// A statement fails.
    pub fn append(&mut self, mut fact: impl Fact) -> Result<JournalId, StoreError> {
        fact.set_journal_id(self.head.id.next());
        let data = serde_json::to_vec(&fact)?;
        self.append_data(fact.event_type(), fact.node_id(), 0, &data)
    }

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

    /// Keeps the attributes of the node, once for all nodes that have the same.
    fn keep_attributes(&self, node: &Node) -> Result<(), StoreError> {
        let number = node.facts.inode.and_then(|inode| inode.attributes);
        if let (Some(number), Some(attributes)) = (number, &node.attributes) {
            self.read
                .connection()
                .prepare_cached("INSERT OR IGNORE INTO attribute_sets (id, json) VALUES (?1, ?2)")?
                .execute(params![number, attributes.get()])?;
        }
        Ok(())
    }

    fn insert(&self, node: &Node) -> Result<(), StoreError> {
        self.keep_attributes(node)?;
        let mut insert = self
            .read
            .connection()
            .prepare_cached(include_str!("sql/insert_node.sql"))?;
        bind(&mut insert, node)?;
        insert.raw_execute()?;
        if node.is_directory() {
            self.read
                .connection()
                .prepare_cached(include_str!("sql/insert_rollup.sql"))?
                .execute(params![node.id, self.now.as_millis()])?;
        }
        Ok(())
    }

    fn update(&self, before: &Node, after: &Node) -> Result<(), StoreError> {
        self.keep_attributes(after)?;
        let mut update = self
            .read
            .connection()
            .prepare_cached(include_str!("sql/update_node.sql"))?;
        bind(&mut update, after)?;
        update.raw_bind_parameter(36, before.version)?;
        match update.raw_execute()? {
            0 => Err(StoreError::Stale(before.id)),
            _ => Ok(()),
        }
    }

    fn ask_owner(&mut self, node: &Node) {
        let same_owner = |(known, _): &(InodeFacts, Owner), inode: InodeFacts| {
            known.uid == inode.uid && known.gid == inode.gid
        };
        self.owner = match (self.owner.take(), node.facts.inode) {
            (Some(owner), Some(inode)) if same_owner(&owner, inode) => Some(owner),
            (_, Some(inode)) => Some((inode, self.read.owner(node))),
            (_, None) => None,
        };
    }

    fn touch(&mut self, directory: Option<i64>) -> Result<(), StoreError> {
        let Some(directory) = directory.filter(|directory| *directory != self.touched) else {
            return Ok(());
        };
        self.touched = directory;
        listings::touch(self.read.connection(), directory, self.head.id.next())
    }

    fn roll_up(&mut self, before: Option<&Node>, after: &Node) -> Result<(), StoreError> {
        let new = rollups::own(after);
        let Some(before) = before else {
            self.job.add(after.parent_id, new);
            return Ok(());
        };
        self.job.add(before.parent_id, -rollups::own(before));
        self.job.add(after.parent_id, new);
        if before.parent_id != after.parent_id
            && after.is_directory()
            && let Some(below) = rollups::of(&self.read, after.id)?
        {
            let below = rollups::Delta {
                size_bytes: below.size_bytes,
                file_count: below.file_count,
                directory_count: below.directory_count,
                child_count: 0,
            };
            self.job.add(before.parent_id, -below);
            self.job.add(after.parent_id, below);
        }
        Ok(())
    }

    fn append_data(
        &mut self,
        event_type: EventType,
        node_id: Option<i64>,
        size_delta: i64,
        data: &[u8],
    ) -> Result<JournalId, StoreError> {
        let data = str::from_utf8(data)
            .map_err(|_| StoreError::Damaged("journal data is not UTF-8".to_owned()))?;
        self.entries
            .push(self.now, node_id, event_type, size_delta, data);
        self.head = self.entries.last();
        if self.entries.is_full() {
            let full = std::mem::replace(&mut self.entries, Run::after(self.head));
            self.has_lost_entries = true;
            self.entries = entries::write_blocks(self.read.connection(), full)?;
            self.has_lost_entries = false;
        }
        Ok(self.head.id)
    }
}

/// What nobody has asked again stays what it was.
fn settle(before: Option<&Node>, after: &mut Node) {
    after.facts = after.facts.settled(before.map(|before| &before.facts));
    let attributes = |node: &Node| node.facts.inode.and_then(|inode| inode.attributes);
    let known = before.and_then(attributes);
    match (before, attributes(after)) {
        (_, None | Some(0)) => after.attributes = None,
        (Some(before), number) if known == number => {
            after.attributes.clone_from(&before.attributes);
        }
        _ => {}
    }
}

fn bind(statement: &mut rusqlite::Statement<'_>, node: &Node) -> rusqlite::Result<()> {
    let time = |time: Option<Time>| time.map(Time::as_millis);
    statement.raw_bind_parameter(1, node.id)?;
    statement.raw_bind_parameter(2, node.mount_id)?;
    statement.raw_bind_parameter(3, node.parent_id)?;
    statement.raw_bind_parameter(4, node.name())?;
    statement.raw_bind_parameter(5, node.path.as_str())?;
    statement.raw_bind_parameter(6, node.depth())?;
    statement.raw_bind_parameter(7, node.facts.kind.as_str())?;
    statement.raw_bind_parameter(8, node.facts.is_symlink)?;
    statement.raw_bind_parameter(9, node.facts.size_bytes)?;
    statement.raw_bind_parameter(10, node.facts.modified_ns.map(Column))?;
    statement.raw_bind_parameter(11, node.facts.identity.dev)?;
    statement.raw_bind_parameter(12, node.facts.identity.ino)?;
    statement.raw_bind_parameter(13, node.facts.identity.born_ns.map(Column))?;
    statement.raw_bind_parameter(14, node.checksum.as_deref())?;
    statement.raw_bind_parameter(15, node.content_hash.as_deref())?;
    statement.raw_bind_parameter(16, node.metadata.column())?;
    statement.raw_bind_parameter(17, node.state.as_str())?;
    statement.raw_bind_parameter(18, node.version)?;
    statement.raw_bind_parameter(19, time(node.last_seen_at))?;
    statement.raw_bind_parameter(20, node.consistency_state.as_str())?;
    statement.raw_bind_parameter(21, time(node.consistency_checked_at))?;
    statement.raw_bind_parameter(22, time(node.last_reconciled_at))?;
    statement.raw_bind_parameter(23, time(node.last_drift_detected_at))?;
    statement.raw_bind_parameter(24, node.created_at.as_millis())?;
    statement.raw_bind_parameter(25, node.updated_at.as_millis())?;
    statement.raw_bind_parameter(26, time(node.deleted_at))?;
    statement.raw_bind_parameter(27, node.journal_id.as_i64())?;
    statement.raw_bind_parameter(28, node.facts.changed_ns.map(Column))?;
    (29_usize..)
        .zip(inode::columns(node.facts.inode))
        .try_for_each(|(at, column)| statement.raw_bind_parameter(at, column))?;
    let class = node.facts.storage_class.map(StorageClass::as_str);
    statement.raw_bind_parameter(35, class)
}
