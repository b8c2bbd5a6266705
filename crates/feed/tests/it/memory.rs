//! A journal and a sink in memory, with the faults that real ones have.

use feed::{Batch, Checkpoint, DeadLetter, Sink, SinkError};
use journal::{
    Digest, Entry, Epoch, Event, EventType, JournalId, JournalReader, NodeKind, NodeState, Page,
    Position, ReadError, Snapshot, SnapshotNode,
};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a book says of a node: its path and size, and the entry that said so.
pub(crate) type Book = BTreeMap<i64, (String, i64, JournalId)>;

/// A journal of entries about nodes with a path and a size.
#[derive(Clone)]
pub(crate) struct MemoryJournal {
    pub(crate) epoch: Epoch,
    pub(crate) entries: Vec<Entry>,
    pub(crate) trimmed: usize,
    pub(crate) is_away: bool,
}

impl MemoryJournal {
    pub(crate) fn new() -> Self {
        Self {
            epoch: Epoch::generate(),
            entries: Vec::new(),
            trimmed: 0,
            is_away: false,
        }
    }

    pub(crate) fn head(&self) -> JournalId {
        JournalId::new(self.entries.len() as u64)
    }

    pub(crate) fn digest_at(&self, id: JournalId) -> Option<Digest> {
        match usize::try_from(id.get()).unwrap() {
            0 => Some(Digest::genesis(self.epoch)),
            at => self.entries.get(at - 1).map(|entry| entry.digest),
        }
    }

    /// Appends an entry that says that the node has this path and size.
    pub(crate) fn put(&mut self, node_id: i64, path: &str, size: i64) -> JournalId {
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
    pub(crate) fn append(
        &mut self,
        event_type: &str,
        node_id: Option<i64>,
        data: &str,
    ) -> JournalId {
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
    pub(crate) fn fold(&self, upto: JournalId, without: &[JournalId]) -> Book {
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
#[derive(Clone)]
pub(crate) struct MemoryReader(pub(crate) Arc<Mutex<MemoryJournal>>);

impl MemoryReader {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(MemoryJournal::new())))
    }

    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut MemoryJournal) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }
}

impl JournalReader for MemoryReader {
    fn position(&self) -> Result<Position, ReadError> {
        self.with(|journal| {
            if journal.is_away {
                return Err(ReadError::Unavailable("the journal is away".into()));
            }
            let trimmed = JournalId::new(journal.trimmed as u64);
            Ok(Position {
                epoch: journal.epoch,
                head: journal.head(),
                trimmed,
            })
        })
    }

    fn read(&self, after: JournalId, limit: usize) -> Result<Page, ReadError> {
        let position = self.position()?;
        if after < position.trimmed && limit > 0 {
            return Err(ReadError::Trimmed {
                after,
                trimmed: position.trimmed,
            });
        }
        self.with(|journal| {
            let from = usize::try_from(after.get())
                .unwrap()
                .min(journal.entries.len());
            let to = (from + limit).min(journal.entries.len());
            let after_digest = (after <= position.head)
                .then(|| journal.digest_at(after))
                .flatten();
            Ok(Page {
                position,
                after_digest,
                entries: journal.entries[from..to].to_vec(),
            })
        })
    }

    fn wait(&self, _after: JournalId, _timeout: Duration) -> Result<Position, ReadError> {
        self.position()
    }

    fn snapshot(&self) -> Result<Snapshot<'_>, ReadError> {
        let position = self.position()?;
        let (book, digest) = self.with(|journal| {
            (
                journal.fold(position.head, &[]),
                journal.digest_at(position.head).unwrap(),
            )
        });
        let nodes = book.into_iter().map(|(node_id, (path, size, journal_id))| {
            Ok(SnapshotNode {
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
            })
        });
        Ok(Snapshot {
            epoch: position.epoch,
            journal_id: position.head,
            digest,
            nodes: Box::new(nodes.collect::<Vec<_>>().into_iter()),
        })
    }
}

/// What a sink has committed: what stays when the consumer is killed.
#[derive(Clone, Default)]
pub(crate) struct Committed {
    pub(crate) checkpoint: Option<Checkpoint>,
    pub(crate) book: Book,
    /// How often each entry took effect.
    pub(crate) effects: BTreeMap<JournalId, u32>,
    /// Entries that took effect more than once.
    pub(crate) doubled: Vec<JournalId>,
    pub(crate) parked: BTreeMap<JournalId, DeadLetter>,
}

/// What goes wrong at the next call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The transaction rolls back and says so.
    RollBack,
    /// The transaction commits, and the answer is lost.
    CommitUnanswered,
}

#[derive(Default)]
pub(crate) struct Store {
    pub(crate) committed: Committed,
    pub(crate) fault: Option<Fault>,
    /// While a path holds this text, its entry is poison.
    pub(crate) poison: Option<String>,
    pub(crate) commits: u32,
}

/// A sink whose store outlives it, as a database outlives a process.
#[derive(Clone, Default)]
pub(crate) struct MemorySink(pub(crate) Arc<Mutex<Store>>);

impl MemorySink {
    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut Store) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }

    pub(crate) fn committed(&self) -> Committed {
        self.with(|store| store.committed.clone())
    }
}

impl Store {
    fn refuse_poison(&self, batch: &Batch<'_>) -> Result<(), SinkError> {
        for item in batch.items {
            let (Event::Node(event), Some(poison)) = (item.event, &self.poison) else {
                continue;
            };
            if event.path.contains(poison) {
                let reason = format!("path {} is poison", &*event.path);
                return Err(SinkError::Poison {
                    journal_id: item.entry.id,
                    reason,
                });
            }
        }
        Ok(())
    }
}

impl Committed {
    fn commit(&mut self, batch: &Batch<'_>) {
        for item in batch.items {
            let id = item.entry.id;
            if let Event::Node(event) = item.event {
                let newest = self.book.get(&event.node_id).map(|(_, _, newest)| *newest);
                if newest.is_none_or(|newest| newest < id) {
                    let state = (event.path.to_string(), event.size_bytes.unwrap(), id);
                    self.book.insert(event.node_id, state);
                }
            }
            let count = self.effects.entry(id).or_default();
            *count += 1;
            if *count > 1 {
                self.doubled.push(id);
            }
        }
        for letter in batch.parked {
            self.parked.insert(letter.journal_id, letter.clone());
        }
        for id in batch.resolved {
            self.parked.remove(id);
        }
        self.checkpoint = Some(batch.checkpoint);
    }
}

impl Sink for MemorySink {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn checkpoint(&mut self) -> Result<Option<Checkpoint>, SinkError> {
        Ok(self.with(|store| store.committed.checkpoint))
    }

    fn apply(&mut self, batch: &Batch<'_>) -> Result<(), SinkError> {
        self.with(|store| {
            store.refuse_poison(batch)?;
            let unavailable = |text: &str| Err(SinkError::Unavailable(text.to_owned(), None));
            let fault = store.fault.take();
            if fault == Some(Fault::RollBack) {
                return unavailable("the disk is full");
            }
            store.committed.commit(batch);
            store.commits += 1;
            if fault == Some(Fault::CommitUnanswered) {
                return unavailable("the answer was lost");
            }
            Ok(())
        })
    }

    fn load_snapshot(&mut self, snapshot: Snapshot<'_>) -> Result<(), SinkError> {
        let mut book = Book::new();
        for node in snapshot.nodes {
            let node = node
                .map_err(|error| SinkError::Unavailable(error.to_string(), Some(error.into())))?;
            book.insert(
                node.node_id,
                (node.path, node.size_bytes.unwrap(), node.journal_id),
            );
        }
        let checkpoint = Checkpoint {
            epoch: snapshot.epoch,
            journal_id: snapshot.journal_id,
            digest: snapshot.digest,
        };
        self.with(|store| {
            store.committed.book = book;
            store.committed.checkpoint = Some(checkpoint);
        });
        Ok(())
    }

    fn dead_letters(
        &mut self,
        after: JournalId,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, SinkError> {
        Ok(self.with(|store| {
            store
                .committed
                .parked
                .range(after.next()..)
                .take(limit)
                .map(|(_, l)| l.clone())
                .collect()
        }))
    }

    fn dead_letter_count(&mut self) -> Result<u64, SinkError> {
        Ok(self.with(|store| store.committed.parked.len() as u64))
    }
}
