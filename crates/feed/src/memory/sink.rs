//! A sink, and the store that outlives it.

use super::{Book, Death};
use crate::{Batch, Begun, Checkpoint, DeadLetter, Sink, SinkError};
use journal::{Event, JournalId, Snapshot};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a sink has committed: what stays when the consumer is killed.
#[derive(Clone, Debug, Default)]
pub struct Committed {
    /// How far the journal is applied.
    pub checkpoint: Option<Checkpoint>,
    /// What it says of the nodes.
    pub book: Book,
    /// How often each entry took effect.
    pub effects: BTreeMap<JournalId, u32>,
    /// Entries that took effect more than once.
    pub doubled: Vec<JournalId>,
    /// The dead letters.
    pub parked: BTreeMap<JournalId, DeadLetter>,
}

/// What goes wrong at the next call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The transaction rolls back and says so.
    RollBack,
    /// The transaction commits, and the answer is lost.
    CommitUnanswered,
}

/// The store behind a sink.
#[derive(Debug, Default)]
pub struct Store {
    /// What it holds.
    pub committed: Committed,
    /// What goes wrong at the next call.
    pub fault: Option<Fault>,
    /// While a path holds this text, its entry is poison.
    pub poison: Option<String>,
    /// How many batches it has committed.
    pub commits: u32,
    /// What it is about to commit, and what goes wrong then.
    pub in_flight: Option<(Committed, Option<Fault>)>,
}

/// A sink whose store outlives it, as a database outlives a process.
#[derive(Clone, Debug, Default)]
pub struct MemorySink {
    store: Arc<Mutex<Store>>,
    death: Death,
    has_flights: bool,
}

impl MemorySink {
    /// The same, which takes a batch before the one before it has committed.
    #[must_use]
    pub fn with_flights(self) -> Self {
        Self {
            has_flights: true,
            ..self
        }
    }

    /// One whose consumer dies when told.
    #[must_use]
    pub fn mortal(death: &Death) -> Self {
        Self {
            death: death.clone(),
            ..Self::default()
        }
    }

    /// Looks at the store, or changes it.
    pub fn with<T>(&self, change: impl FnOnce(&mut Store) -> T) -> T {
        change(&mut self.store.lock())
    }

    /// What it has committed so far.
    #[must_use]
    pub fn committed(&self) -> Committed {
        self.with(|store| store.committed.clone())
    }
}

impl Store {
    fn apply(&mut self, batch: &Batch<'_>) -> Result<(), SinkError> {
        self.refuse_poison(batch)?;
        let mut next = self.committed.clone();
        next.commit(batch);
        let fault = self.fault.take();
        self.commit(next, fault)
    }

    fn commit(&mut self, next: Committed, fault: Option<Fault>) -> Result<(), SinkError> {
        let unavailable = |text: &str| Err(SinkError::Unavailable(text.to_owned(), None));
        if fault == Some(Fault::RollBack) {
            return unavailable("the disk is full");
        }
        self.committed = next;
        self.commits += 1;
        if fault == Some(Fault::CommitUnanswered) {
            return unavailable("the answer was lost");
        }
        Ok(())
    }

    fn begin(&mut self, batch: &Batch<'_>) -> Result<(), SinkError> {
        self.land()?;
        self.refuse_poison(batch)?;
        let mut next = self.committed.clone();
        next.commit(batch);
        self.in_flight = Some((next, self.fault.take()));
        Ok(())
    }

    /// Commits what is in flight, if there is something.
    ///
    /// # Errors
    /// As its fault says.
    pub fn land(&mut self) -> Result<(), SinkError> {
        match self.in_flight.take() {
            Some((next, fault)) => self.commit(next, fault),
            None => Ok(()),
        }
    }

    fn refuse_poison(&self, batch: &Batch<'_>) -> Result<(), SinkError> {
        for item in batch.items {
            let (Event::Node(event), Some(poison)) = (item.event, &self.poison) else {
                continue;
            };
            if event.path.contains(poison) {
                let reason = format!("path {} is poison", &*event.path);
                return Err(SinkError::Poison {
                    journal_id: item.id,
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
            let id = item.id;
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
        let death = self.death.clone();
        death.call(|| {
            self.with(|store| {
                // Who asks is in doubt whether it took effect, and is told by the answer.
                drop(store.land());
                Ok(store.committed.checkpoint)
            })
        })
    }

    fn apply(&mut self, batch: &Batch<'_>) -> Result<(), SinkError> {
        let death = self.death.clone();
        death.call(|| self.with(|store| store.apply(batch)))
    }

    fn begin(&mut self, batch: &Batch<'_>) -> Result<Begun, SinkError> {
        if !self.has_flights {
            return self.apply(batch).map(|()| Begun::Durable);
        }
        let death = self.death.clone();
        death.call(|| self.with(|store| store.begin(batch)))?;
        Ok(Begun::InFlight)
    }

    fn land(&mut self) -> Result<(), SinkError> {
        let death = self.death.clone();
        death.call(|| self.with(Store::land))
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
        let death = self.death.clone();
        death.call(|| {
            self.with(|store| {
                store.committed.book = book;
                store.committed.checkpoint = Some(checkpoint);
            });
        });
        Ok(())
    }

    fn dead_letters(
        &mut self,
        after: JournalId,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, SinkError> {
        Ok(self.with(|store| {
            let later = store.committed.parked.range(after.next()..);
            later
                .take(limit)
                .map(|(_, letter)| letter.clone())
                .collect()
        }))
    }

    fn dead_letter_count(&mut self) -> Result<u64, SinkError> {
        let death = self.death.clone();
        death.call(|| Ok(self.with(|store| store.committed.parked.len() as u64)))
    }
}
