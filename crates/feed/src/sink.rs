//! What applies a batch of journal entries to a store.

use crate::DeadLetter;
use journal::{Digest, Entry, Epoch, Event, JournalId, JournalReader, Snapshot};
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

/// One entry and its typed event.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    /// The entry as it was read.
    pub entry: &'a Entry,
    /// Its event, decoded.
    pub event: &'a Event<'a>,
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

/// What applies batches to a store. Every method blocks; the consumer calls it from one thread of
/// its own, one call at a time.
///
/// An older entry never undoes a newer state: an item whose id lies at or below the last entry
/// that changed its node fills only what is missing (a retried dead letter is such an item).
pub trait Sink: Send + 'static {
    /// The sink's name in logs, metrics and health: `metastore` or `timestore`.
    fn name(&self) -> &'static str;

    /// The checkpoint stored last; `None` for an empty book that follows no journal yet.
    ///
    /// # Errors
    /// The store cannot be read.
    fn checkpoint(&mut self) -> Result<Option<Checkpoint>, SinkError>;

    /// Applies the batch and stores its checkpoint, durably and in one transaction.
    ///
    /// # Errors
    /// As [`SinkError`] says; nothing has then taken effect.
    fn apply(&mut self, batch: &Batch<'_>) -> Result<(), SinkError>;

    /// Makes the book equal to the snapshot, in one transaction as readers see it, and stores the
    /// snapshot's checkpoint. Nodes that the snapshot does not have are treated as deleted; what
    /// people wrote stays. Calling it again starts over.
    ///
    /// # Errors
    /// As [`SinkError`] says; a read error of the snapshot comes as [`SinkError::Unavailable`].
    fn load_snapshot(&mut self, snapshot: Snapshot<'_>) -> Result<(), SinkError>;

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
}

/// A reader that consumers share.
pub type SharedReader = std::sync::Arc<dyn JournalReader>;
