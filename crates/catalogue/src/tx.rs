//! What a job of the writer can do: change nodes and append to the journal, together.

mod texts;
mod tree;
mod unjournalled;

use super::change::{self, Cause, Fact, Verb};
use super::entries::{self, Run};
use super::inode;
use super::listings;
use super::moment::Column;
use super::rollups::{self, Pending};
use super::{Head, Names, Node, Owner, ReadTx, StoreError};
use journal::{EventType, JournalId, NodeState, Time};
use node::Facts;
use rusqlite::{Connection, params};
use std::ops::Deref;
use std::sync::atomic::{AtomicI64, Ordering};

/// The running transaction, as a job sees it.
///
/// Nodes are written by [`WriteTx::change`] and by what builds on it only: a row, its journal entry
/// and its part of the rollups are always written together. What a job appends to the journal it
/// does not read there itself: many entries are gathered first, to be sealed as blocks.
pub struct WriteTx<'c> {
    read: ReadTx<'c>,
    node_ids: &'c AtomicI64,
    /// Whose the file was that changed last: files mostly are the same user's.
    owner: Option<(Facts, Owner)>,
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
        self.settle(before, after)?;
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

    fn insert(&self, node: &Node) -> Result<(), StoreError> {
        self.keep_texts(node)?;
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
        self.keep_texts(after)?;
        let mut update = self
            .read
            .connection()
            .prepare_cached(include_str!("sql/update_node.sql"))?;
        bind(&mut update, after)?;
        update.raw_bind_parameter(40, before.version)?;
        match update.raw_execute()? {
            0 => Err(StoreError::Stale(before.id)),
            _ => Ok(()),
        }
    }

    fn ask_owner(&mut self, node: &Node) {
        let ids = |facts: &Facts| facts.inode.map(|inode| (inode.uid, inode.gid));
        let facts = node.facts;
        let has_same_owner = |(known, _): &(Facts, Owner)| {
            ids(known) == ids(&facts) && known.object.owner == facts.object.owner
        };
        let known = self.owner.take().filter(has_same_owner);
        self.owner = Some(known.unwrap_or_else(|| (facts, self.read.owner(node))));
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
    (37_usize..)
        .zip(inode::words(node.facts.object))
        .try_for_each(|(at, word)| statement.raw_bind_parameter(at, word))?;
    statement.raw_bind_parameter(39, node.facts.object.tags)
}
