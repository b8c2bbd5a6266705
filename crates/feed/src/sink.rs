//! What applies a batch of journal entries to a store.

use crate::DeadLetter;
use crate::rebuild::{NewBook, Rebuild};
use journal::{Digest, Entry, Epoch, Event, EventType, JournalId, JournalReader, Snapshot};
use serde::Serialize;

/// How far a sink has applied the journal: stored in the sink's own database, in the transaction
/// of the effects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Checkpoint {
    /// The journal it follows.
    pub epoch: Epoch,
    /// The last entry applied (or parked).
    pub journal_id: JournalId,
    /// That entry's chained digest.
    pub digest: Digest,
}

/// One entry, decoded.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    /// The entry's place in the journal.
    pub id: JournalId,
    /// The node it is about, if it is about one.
    pub node_id: Option<i64>,
    /// What kind of fact it is.
    pub event_type: &'a EventType,
    /// By how many bytes the tree grew (or shrank) with it.
    pub size_delta: i64,
    /// What it says.
    pub event: &'a Event<'a>,
}

impl<'a> Item<'a> {
    /// An entry, and the event that it was decoded to.
    #[must_use]
    pub const fn of(entry: &'a Entry, event: &'a Event<'a>) -> Self {
        Self {
            id: entry.id,
            node_id: entry.node_id,
            event_type: &entry.event_type,
            size_delta: entry.size_delta,
            event,
        }
    }
}

/// What one [`Sink::apply`] commits, all of it or nothing.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// Entries to apply, ascending. Entries that are parked are not among them.
    pub items: &'a [Item<'a>],
    /// Entries to park.
    pub parked: &'a [DeadLetter],
    /// Dead letters to remove, because `items` holds them for another try, or because a person
    /// discarded them. Removing one that is not there is no error.
    pub resolved: &'a [JournalId],
    /// The checkpoint to store with them.
    pub checkpoint: Checkpoint,
}

/// Why a sink could not apply a batch. In every case nothing of the batch has taken effect.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// One entry cannot be applied, now or later; the others may be fine. The consumer parks it
    /// and applies the rest.
    #[error("entry {journal_id} cannot be applied: {reason}")]
    Poison {
        /// The entry.
        journal_id: JournalId,
        /// Why, in words for an operator.
        reason: String,
    },
    /// The store is locked, full or away. The consumer waits and tries again for ever.
    #[error("the store cannot be written now: {0}")]
    Unavailable(
        String,
        #[source] Option<Box<dyn std::error::Error + Send + Sync>>,
    ),
    /// The store is damaged. The consumer stops and says so.
    #[error("the store is damaged: {0}")]
    Damaged(
        String,
        #[source] Option<Box<dyn std::error::Error + Send + Sync>>,
    ),
}

/// How far a batch is when [`Sink::begin`] returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It is durable, with its checkpoint.
    Durable,
    /// It is being committed; [`Sink::land`] waits for it.
    InFlight,
}

/// What applies batches to a store. Every method blocks; the consumer calls it from one thread of
/// its own, one call at a time. While a batch is in flight it calls nothing but [`Sink::begin`],
/// [`Sink::land`] and [`Sink::checkpoint`].
///
/// An older entry never undoes a newer state: an item whose id lies at or below the last entry
/// that changed its node fills only what is missing (a retried dead letter is such an item).
pub trait Sink: Send + 'static {
    /// The sink's name in logs, metrics and health: `metastore` or `timestore`.
    fn name(&self) -> &'static str;

    /// The checkpoint stored last; `None` for an empty book that follows no journal yet. A batch in
    /// flight has ended before, whether it took effect or not.
    ///
    /// # Errors
    /// The store cannot be read.
    fn checkpoint(&mut self) -> Result<Option<Checkpoint>, SinkError>;

    /// Applies the batch and stores its checkpoint, durably and in one transaction.
    ///
    /// # Errors
    /// As [`SinkError`] says; nothing has then taken effect.
    fn apply(&mut self, batch: &Batch<'_>) -> Result<(), SinkError>;

    /// Takes a batch that goes on where the one before it ends, and may return while it is being
    /// committed, in one transaction with its checkpoint. Not more than one batch is in flight: when it
    /// returns, the one that was in flight before is durable. A sink that cannot do that applies the
    /// batch.
    ///
    /// # Errors
    /// As [`SinkError`] says, of this batch or of the one in flight. Then nothing is in flight any more,
    /// and what has taken effect is told by [`Sink::checkpoint`]: this batch has only if the one before
    /// it has.
    fn begin(&mut self, batch: &Batch<'_>) -> Result<Begun, SinkError> {
        self.apply(batch).map(|()| Begun::Durable)
    }

    /// Waits until the batch in flight is durable, if there is one.
    ///
    /// # Errors
    /// As [`Sink::begin`].
    fn land(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    /// Makes the book equal to the snapshot, in one transaction as readers see it, and stores the
    /// snapshot's checkpoint. Nodes that the snapshot does not have are treated as deleted; what
    /// people wrote stays. Calling it again starts over.
    ///
    /// # Errors
    /// As [`SinkError`] says; a read error of the snapshot comes as [`SinkError::Unavailable`].
    fn load_snapshot(&mut self, snapshot: Snapshot<'_>) -> Result<(), SinkError>;

    /// Told when the book is at the head and the consumer is about to wait, which may be after
    /// every entry. A sink that puts off work while there is a backlog does it now; it must be
    /// quick to tell that there is none. What fails can be tried again.
    fn tidy(&mut self) {}

    /// The dead letters with ids after `after`, ascending, at most `limit`.
    ///
    /// # Errors
    /// The store cannot be read.
    fn dead_letters(
        &mut self,
        after: JournalId,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, SinkError>;

    /// How many dead letters there are.
    ///
    /// # Errors
    /// The store cannot be read.
    fn dead_letter_count(&mut self) -> Result<u64, SinkError>;

    /// Whether the book is a history, in which every entry leaves something that no later one
    /// tells again. Such a book loses by beginning with a snapshot.
    fn keeps_history(&self) -> bool {
        false
    }

    /// The book can be replayed after this entry or a later one; what it holds of earlier ones
    /// cannot be told apart. 0 unless the book began with a snapshot and keeps history.
    ///
    /// # Errors
    /// The store cannot be read.
    fn replay_floor(&mut self) -> Result<JournalId, SinkError> {
        Ok(JournalId::ZERO)
    }

    /// Makes room for a new book beside the present one, which goes on being read and applied to.
    /// What an earlier rebuild left behind is dropped. A sink that keeps no second book refuses.
    ///
    /// # Errors
    /// As [`SinkError`] says; nothing has then changed.
    fn begin_rebuild(&mut self, new: NewBook) -> Result<Rebuild, SinkError> {
        Err(cannot_rebuild(&new))
    }

    /// Applies a batch to the new book. It need not be durable before
    /// [`Sink::finish_rebuild`]; a batch that fails leaves the new book as it was.
    ///
    /// # Errors
    /// As [`Sink::apply`].
    fn fill_rebuild(&mut self, rebuild: &Rebuild, _batch: &Batch<'_>) -> Result<(), SinkError> {
        Err(cannot_rebuild(rebuild))
    }

    /// Fills the new book from a snapshot; the whole of it comes at once.
    ///
    /// # Errors
    /// As [`Sink::load_snapshot`].
    fn fill_rebuild_from_snapshot(
        &mut self,
        rebuild: &Rebuild,
        _snapshot: Snapshot<'_>,
    ) -> Result<(), SinkError> {
        Err(cannot_rebuild(rebuild))
    }

    /// Makes the new book the book, in one transaction with its checkpoint, its dead letters and
    /// whatever connects it with what people wrote. Calling it again after a failure is fine.
    ///
    /// # Errors
    /// As [`SinkError`] says; the present book is then as it was.
    fn finish_rebuild(
        &mut self,
        rebuild: &Rebuild,
        _checkpoint: Checkpoint,
    ) -> Result<(), SinkError> {
        Err(cannot_rebuild(rebuild))
    }

    /// Drops the new book. What cannot be dropped now is dropped by the next
    /// [`Sink::begin_rebuild`].
    fn abandon_rebuild(&mut self, _rebuild: Rebuild) {}
}

fn cannot_rebuild(what: &dyn std::fmt::Debug) -> SinkError {
    SinkError::Damaged(format!("this sink keeps no second book for {what:?}"), None)
}

/// A reader that consumers share.
pub type SharedReader = std::sync::Arc<dyn JournalReader>;
