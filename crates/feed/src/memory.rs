//! A journal and a sink in memory, with the faults that real ones have: for tests of the feed and
//! of whoever builds on it, and for models.
//!
//! Every call into either of them is two steps, its beginning and its end, and a [`Death`] can be
//! set to any of them: the thread unwinds there as if the process had been killed, with what was
//! committed before it and without its answer.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests only: what differs must fail where it stands"
)]

mod sink;

pub use sink::{Committed, Fault, MemorySink, Store};

use journal::{
    Digest, Entry, Epoch, Event, EventType, JournalId, JournalReader, NodeKind, NodeState, Page,
    Position, ReadError, Snapshot, SnapshotInode, SnapshotNode,
};
use parking_lot::Mutex;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The payload of an unwinding that stands for `kill -9`.
#[derive(Clone, Copy, Debug)]
pub struct Killed;

/// When the consumer dies: after how many more steps of its journal and its store.
#[derive(Clone, Debug, Default)]
pub struct Death(Arc<Mutex<Option<u64>>>);

impl Death {
    /// Dies at the step after so many more.
    pub fn after(&self, steps: u64) {
        *self.0.lock() = Some(steps);
    }

    /// Does not die.
    pub fn never(&self) {
        *self.0.lock() = None;
    }

    fn step(&self) {
        let mut left = self.0.lock();
        match &mut *left {
            None => {}
            Some(0) => {
                *left = None;
                drop(left);
                // Past the hook that reports a panic: nothing has gone wrong.
                std::panic::resume_unwind(Box::new(Killed));
            }
            Some(steps) => *steps -= 1,
        }
    }

    /// A call that dies before it begins, or before its answer is heard.
    fn call<T>(&self, call: impl FnOnce() -> T) -> T {
        self.step();
        let answer = call();
        self.step();
        answer
    }
}

/// How the next page that is read is wrong, as a server or a cache between could make it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageFault {
    /// An entry in its middle is missing.
    Gap,
    /// It begins at the checkpoint, not after it.
    Overlap,
    /// Two entries stand in the wrong order.
    Reordered,
}

/// What a book says of a node: its path and size, and the entry that said so.
pub type Book = BTreeMap<i64, (String, i64, JournalId)>;

/// A journal of entries about nodes with a path and a size.
#[derive(Clone, Debug)]
pub struct MemoryJournal {
    /// Which journal it is.
    pub epoch: Epoch,
    /// All entries, the trimmed ones too.
    pub entries: Vec<Entry>,
    /// How many of them retention has removed.
    pub trimmed: usize,
    /// Whether it does not answer.
    pub is_away: bool,
    /// How the next page that can be so is wrong.
    pub page_fault: Option<PageFault>,
}

impl Default for MemoryJournal {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryJournal {
    /// An empty journal with an epoch of its own.
    #[must_use]
    pub fn new() -> Self {
        Self {
            epoch: Epoch::generate(),
            entries: Vec::new(),
            trimmed: 0,
            is_away: false,
            page_fault: None,
        }
    }

    /// The last entry's id.
    #[must_use]
    pub fn head(&self) -> JournalId {
        JournalId::new(self.entries.len() as u64)
    }

    /// The chained digest at an id; `None` past the head.
    ///
    /// # Panics
    /// The id is no length.
    #[must_use]
    pub fn digest_at(&self, id: JournalId) -> Option<Digest> {
        match usize::try_from(id.get()).unwrap() {
            0 => Some(Digest::genesis(self.epoch)),
            at => self.entries.get(at - 1).map(|entry| entry.digest),
        }
    }

    /// Appends an entry that says that the node has this path and size.
    pub fn put(&mut self, node_id: i64, path: &str, size: i64) -> JournalId {
        let id = self.head().next();
        let data = serde_json::json!({
            "backendMountId": 1, "nodeId": node_id, "path": path, "kind": "file",
            "state": "active", "parentId": null, "version": 1, "sizeBytes": size,
            "checksum": null, "contentHash": null, "metadata": {}, "journalId": id,
            "command": "test", "idempotencyKey": null, "principal": null,
            "observedAt": "2026-03-01T12:00:00.000Z", "sizeDelta": 0,
        });
        self.append("filestore.node.updated", Some(node_id), &data.to_string())
    }

    /// Appends an entry of any type with any data.
    ///
    /// # Panics
    /// The data is not JSON.
    pub fn append(&mut self, event_type: &str, node_id: Option<i64>, data: &str) -> JournalId {
        let before = self.digest_at(self.head()).unwrap();
        let id = self.head().next();
        self.entries.push(Entry {
            id,
            node_id,
            event_type: EventType::from(event_type),
            size_delta: 0,
            data: RawValue::from_string(data.to_owned()).unwrap(),
            digest: before.link(id, node_id, event_type, 0, data),
        });
        id
    }

    /// The book that entries 1 to `upto` make, without those in `without`.
    ///
    /// # Panics
    /// There are not so many.
    #[must_use]
    pub fn fold(&self, upto: JournalId, without: &[JournalId]) -> Book {
        let mut book = Book::new();
        for entry in &self.entries[..usize::try_from(upto.get()).unwrap()] {
            if without.contains(&entry.id) {
                continue;
            }
            if let Ok(Event::Node(event)) = entry.event() {
                let state = (event.path.to_string(), event.size_bytes.unwrap(), entry.id);
                book.insert(event.node_id, state);
            }
        }
        book
    }
}

/// A reader of a journal that the test goes on writing to.
#[derive(Clone, Debug, Default)]
pub struct MemoryReader {
    journal: Arc<Mutex<MemoryJournal>>,
    death: Death,
}

impl MemoryReader {
    /// A reader of an empty journal.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One whose consumer dies when told.
    #[must_use]
    pub fn mortal(death: &Death) -> Self {
        Self {
            death: death.clone(),
            ..Self::default()
        }
    }

    /// Looks at the journal, or changes it.
    pub fn with<T>(&self, change: impl FnOnce(&mut MemoryJournal) -> T) -> T {
        change(&mut self.journal.lock())
    }
}

impl MemoryJournal {
    fn where_it_is(&self) -> Result<Position, ReadError> {
        if self.is_away {
            return Err(ReadError::Unavailable("the journal is away".into()));
        }
        Ok(Position {
            epoch: self.epoch,
            head: self.head(),
            trimmed: JournalId::new(self.trimmed as u64),
        })
    }

    fn page(&mut self, after: JournalId, limit: usize) -> Result<Page, ReadError> {
        let position = self.where_it_is()?;
        if after < position.trimmed && limit > 0 {
            let trimmed = position.trimmed;
            return Err(ReadError::Trimmed { after, trimmed });
        }
        let from = usize::try_from(after.get())
            .unwrap()
            .min(self.entries.len());
        let to = (from + limit).min(self.entries.len());
        let after_digest = (after <= position.head)
            .then(|| self.digest_at(after))
            .flatten();
        let mut entries = self.entries[from..to].to_vec();
        // A journal ends where it ends: the last entry alone cannot be seen to be missing.
        if entries.len() > 1 {
            match self.page_fault.take() {
                None => {}
                Some(PageFault::Gap) => drop(entries.remove(entries.len() / 2 - 1)),
                Some(PageFault::Overlap) if from > 0 => {
                    entries.insert(0, self.entries[from - 1].clone());
                }
                Some(PageFault::Overlap) => entries.insert(0, entries[0].clone()),
                Some(PageFault::Reordered) => entries.swap(0, 1),
            }
        }
        Ok(Page {
            position,
            after_digest,
            entries,
        })
    }

    fn nodes(&self) -> Vec<SnapshotNode> {
        let book = self.fold(self.head(), &[]);
        let node = |(node_id, (path, size, journal_id))| SnapshotNode {
            node_id,
            backend_mount_id: 1,
            path,
            kind: NodeKind::File,
            state: NodeState::Active,
            parent_id: None,
            version: 1,
            size_bytes: Some(size),
            journal_id,
            checksum: None,
            content_hash: None,
            metadata: None,
            consistency_state: None,
            last_modified_at: None,
            observed_at: None,
            attributes: None,
            object_tags: None,
            inode: SnapshotInode::default(),
        };
        book.into_iter().map(node).collect()
    }
}

impl JournalReader for MemoryReader {
    fn position(&self) -> Result<Position, ReadError> {
        self.death
            .call(|| self.with(|journal| journal.where_it_is()))
    }

    fn read(&self, after: JournalId, limit: usize) -> Result<Page, ReadError> {
        self.death
            .call(|| self.with(|journal| journal.page(after, limit)))
    }

    fn wait(&self, _after: JournalId, _timeout: Duration) -> Result<Position, ReadError> {
        self.position()
    }

    fn snapshot(&self) -> Result<Snapshot<'_>, ReadError> {
        let (position, nodes, digest) = self.death.call(|| {
            self.with(|journal| {
                let position = journal.where_it_is()?;
                let digest = journal.digest_at(position.head).unwrap();
                Ok::<_, ReadError>((position, journal.nodes(), digest))
            })
        })?;
        let nodes = nodes.into_iter().map(Ok);
        Ok(Snapshot {
            epoch: position.epoch,
            journal_id: position.head,
            digest,
            nodes: Box::new(nodes.inspect(|_| self.death.step())),
        })
    }
}
