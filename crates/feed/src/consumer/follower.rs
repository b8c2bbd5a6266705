//! One step along the journal, and every check it makes.

mod flight;
mod rebuild;
mod sifted;

pub use rebuild::RebuildStep;

use super::pages::{Pages, Slice, View};
use crate::{Batch, Checkpoint, DeadLetter, Item, Sink, SinkError};
use flight::Flight;
use journal::{
    ChainError, Clock, DecodeError, Digest, Entry, Epoch, Event, EventType, JournalId, Position,
    ReadError, Time,
};
use process::Chain;
use rebuild::Rebuilds;
use sifted::Sifted;
use std::sync::Arc;

/// How much a follower takes at once, and what it bears.
#[derive(Clone, Debug)]
pub struct FollowerOptions {
    /// Most entries in one batch. When idle a batch is what is there, a single entry at once.
    pub batch_max_entries: usize,
    /// Most dead letters parked at a time. When they are full the follower pauses rather than
    /// drops.
    pub dead_letters_max: u64,
}

impl Default for FollowerOptions {
    fn default() -> Self {
        Self {
            batch_max_entries: 4_000,
            dead_letters_max: 10_000,
        }
    }
}

/// What one step did.
#[derive(Debug)]
pub enum Step {
    /// The checkpoint is the head: nothing to do.
    AtHead,
    /// Entries were applied or parked.
    Applied {
        /// How many entries the checkpoint moved by.
        entries: u64,
        /// The last entry's type and the time its fact was observed.
        last: Option<(String, Option<Time>)>,
    },
    /// The sink has taken entries, and nothing is known of them yet.
    Begun,
    /// A snapshot was loaded, because the journal is trimmed past the checkpoint.
    LoadedSnapshot,
    /// Nothing happened; the same step may succeed later.
    Retry(String),
    /// Nothing happened, and trying again will not help.
    Halted(Halt),
}

/// Why a follower stops. Each message says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Halt {
    /// The journal is another one than the book follows.
    #[error(
        "this book follows journal {followed}, and the journal there is {found}: it was made anew \
         or belongs to another filestore; point the consumer at its own journal, or rebuild the book"
    )]
    OtherJournal {
        /// The epoch in the checkpoint.
        followed: Epoch,
        /// The epoch of the journal.
        found: Epoch,
    },
    /// The book is ahead of the journal.
    #[error(
        "this book has applied entry {checkpoint}, and the journal ends at {head}: the journal was \
         restored to an earlier state; restore the newer journal, or rebuild the book"
    )]
    Ahead {
        /// The book's checkpoint.
        checkpoint: JournalId,
        /// The journal's head.
        head: JournalId,
    },
    /// The book is behind, and its digest is not the journal's at that id.
    #[error(
        "this book's history differs from the journal's at entry {checkpoint} (digest mismatch) \
         and the journal goes on to {head}: the journal was restored and written on; restore the \
         right journal, or rebuild the book"
    )]
    BehindOtherDigest {
        /// The book's checkpoint.
        checkpoint: JournalId,
        /// The journal's head.
        head: JournalId,
    },
    /// The book is at the head, with another digest.
    #[error(
        "this book and the journal both end at entry {checkpoint} with different histories (digest \
         mismatch); restore the right journal, or rebuild the book"
    )]
    EqualOtherDigest {
        /// The book's checkpoint, equal to the head.
        checkpoint: JournalId,
    },
    /// The journal's entries do not form one history.
    #[error("{0}; the journal is damaged: restore it from a backup")]
    Chain(#[from] ChainError),
    /// The journal's server or file says what no journal may say.
    #[error("{0}")]
    JournalDamaged(String),
    /// The book's store is damaged.
    #[error("{0}; restore the store from a backup, or rebuild the book")]
    StoreDamaged(String),
}

/// Follows the journal with one sink, a step at a time.
pub struct Follower<S> {
    sink: S,
    pages: View,
    clock: Arc<dyn Clock>,
    options: FollowerOptions,
    /// What is durable.
    checkpoint: Option<Checkpoint>,
    /// What the sink commits now.
    flight: Option<Flight>,
    /// The last batch failed in flight: the next one is applied by itself.
    is_wary: bool,
    position: Option<Position>,
    dead_letters: Option<u64>,
    rebuilds: Rebuilds,
}

impl<S> std::fmt::Debug for Follower<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follower")
            .field("checkpoint", &self.checkpoint)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

/// Why a step ended early.
enum Stop {
    Retry(String),
    Halt(Halt),
}

impl From<SinkError> for Stop {
    fn from(error: SinkError) -> Self {
        match error {
            SinkError::Damaged(..) => Self::Halt(Halt::StoreDamaged(Chain(&error).to_string())),
            other => Self::Retry(Chain(&other).to_string()),
        }
    }
}

impl From<ReadError> for Stop {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Damaged(_) => Self::Halt(Halt::JournalDamaged(Chain(&error).to_string())),
            other => Self::Retry(Chain(&other).to_string()),
        }
    }
}

impl<S: Sink> Follower<S> {
    /// A follower that has looked at nothing yet. It reads a journal alone, or takes the pages that
    /// others of this process take too.
    #[must_use]
    pub fn new(
        sink: S,
        pages: impl Into<Pages>,
        clock: Arc<dyn Clock>,
        options: FollowerOptions,
    ) -> Self {
        Self {
            sink,
            pages: View::new(pages.into()),
            clock,
            options,
            checkpoint: None,
            flight: None,
            is_wary: false,
            position: None,
            dead_letters: None,
            rebuilds: Rebuilds::default(),
        }
    }

    /// The checkpoint as the sink last stored it; `None` before the first step.
    #[must_use]
    pub const fn checkpoint(&self) -> Option<Checkpoint> {
        self.checkpoint
    }

    /// Where the journal was when it was last read.
    #[must_use]
    pub const fn position(&self) -> Option<Position> {
        self.position
    }

    /// The sink.
    pub const fn sink(&mut self) -> &mut S {
        &mut self.sink
    }

    /// How many dead letters are parked.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn dead_letter_count(&mut self) -> Result<u64, SinkError> {
        if let Some(count) = self.dead_letters {
            return Ok(count);
        }
        let count = self.sink.dead_letter_count()?;
        self.dead_letters = Some(count);
        Ok(count)
    }

    /// Reads after the checkpoint, checks and applies. After [`Step::Retry`] and
    /// [`Step::Halted`] nothing has changed.
    pub fn step(&mut self) -> Step {
        let step = self.try_step();
        self.told(step)
    }

    fn told(&mut self, step: Result<Step, Stop>) -> Step {
        let stop = match step {
            Ok(step) => return step,
            Err(stop) => stop,
        };
        // What the store holds is read again, in case a commit was reported as failed and yet took
        // place.
        self.checkpoint = None;
        self.dead_letters = None;
        match stop {
            Stop::Retry(reason) => Step::Retry(reason),
            Stop::Halt(halt) => Step::Halted(halt),
        }
    }

    fn try_step(&mut self) -> Result<Step, Stop> {
        if let Some(flight) = self.flight.take() {
            return self.step_in_flight(flight);
        }
        let checkpoint = match self.checkpoint {
            Some(checkpoint) => checkpoint,
            None => self.load_checkpoint()?,
        };
        let slice = match self.pages.read(checkpoint, self.options.batch_max_entries) {
            Ok(slice) => slice,
            Err(ReadError::Trimmed { .. }) => return self.load_snapshot(checkpoint),
            Err(error) => return Err(error.into()),
        };
        let position = slice.position;
        self.position = Some(position);
        check_history(checkpoint, &slice)?;
        if slice.entries().is_empty() {
            if position.head > checkpoint.journal_id {
                let reason = format!(
                    "the journal ends at entry {} and gave nothing after {}",
                    position.head, checkpoint.journal_id
                );
                return Err(Stop::Retry(reason));
            }
            self.sink.tidy();
            return Ok(Step::AtHead);
        }
        // They continue the digest after which they were read, and that is the checkpoint's.
        let digest = slice.chain().map_err(|error| Stop::Halt(error.into()))?;
        if self.may_begin(&slice)
            && let Some(step) = self.begin(checkpoint, None, &slice, digest)?
        {
            return Ok(step);
        }
        let step = self.apply(checkpoint, slice.entries(), slice.events(), digest)?;
        self.is_wary = false;
        if self.checkpoint.map(|it| it.journal_id) == Some(position.head) {
            self.sink.tidy();
        }
        Ok(step)
    }

    fn load_checkpoint(&mut self) -> Result<Checkpoint, Stop> {
        let stored = self.sink.checkpoint()?;
        let checkpoint = match stored {
            Some(checkpoint) => checkpoint,
            // An empty book follows the journal that is there, from its beginning.
            None => {
                let position = self.pages.reader().position()?;
                self.position = Some(position);
                Checkpoint {
                    epoch: position.epoch,
                    journal_id: JournalId::ZERO,
                    digest: Digest::genesis(position.epoch),
                }
            }
        };
        self.checkpoint = Some(checkpoint);
        Ok(checkpoint)
    }

    fn load_snapshot(&mut self, checkpoint: Checkpoint) -> Result<Step, Stop> {
        let reader = Arc::clone(self.pages.reader());
        let snapshot = reader.snapshot()?;
        if snapshot.epoch != checkpoint.epoch {
            let (followed, found) = (checkpoint.epoch, snapshot.epoch);
            return Err(Stop::Halt(Halt::OtherJournal { followed, found }));
        }
        let loaded = Checkpoint {
            epoch: snapshot.epoch,
            journal_id: snapshot.journal_id,
            digest: snapshot.digest,
        };
        self.sink.load_snapshot(snapshot)?;
        self.checkpoint = Some(loaded);
        Ok(Step::LoadedSnapshot)
    }

    /// `events` are those of `entries`, one each.
    fn apply(
        &mut self,
        from: Checkpoint,
        entries: &[Entry],
        events: &[Result<Event<'_>, DecodeError>],
        digest: Digest,
    ) -> Result<Step, Stop> {
        let Some(last) = entries.last() else {
            return Ok(Step::AtHead);
        };
        let checkpoint = Checkpoint {
            epoch: from.epoch,
            journal_id: last.id,
            digest,
        };
        let mut sifted = Sifted::new(entries, events, &*self.clock);
        loop {
            if let Some(fitting) = self.fitting(entries, &sifted.parked)? {
                let digest = fitting.last().map_or(from.digest, |entry| entry.digest);
                let (events, _) = events.split_at(fitting.len());
                return self.apply(from, fitting, events, digest);
            }
            let is_applied = sifted.apply(|items, parked| {
                self.sink.apply(&Batch {
                    items,
                    parked,
                    resolved: &[],
                    checkpoint,
                })
            })?;
            if is_applied {
                break;
            }
        }
        if !sifted.parked.is_empty() {
            self.dead_letters = None;
            for letter in &sifted.parked {
                tracing::warn!(
                    sink = self.sink.name(),
                    journal_id = letter.journal_id.get(),
                    event_type = letter.event_type,
                    reason = letter.reason,
                    "entry parked as a dead letter"
                );
            }
        }
        self.checkpoint = Some(checkpoint);
        let observed_at = sifted.items.last();
        let observed_at = observed_at.and_then(|item| item.event.observed_at());
        Ok(Step::Applied {
            entries: checkpoint.journal_id.entries_since(from.journal_id),
            last: Some((last.event_type.as_str().to_owned(), observed_at)),
        })
    }

    /// The entries before the first of `parked` that the park has no room for; `None` if it has
    /// room for all. So a batch that holds more poison than fits is taken as far as it fits.
    /// Pauses when it is full at the first entry: nothing is dropped, nothing more is taken.
    fn fitting<'a>(
        &mut self,
        entries: &'a [Entry],
        parked: &[DeadLetter],
    ) -> Result<Option<&'a [Entry]>, Stop> {
        if parked.is_empty() {
            return Ok(None);
        }
        let (count, max) = (self.dead_letter_count()?, self.options.dead_letters_max);
        let mut ids: Vec<_> = parked.iter().map(|letter| letter.journal_id).collect();
        ids.sort_unstable();
        let room = usize::try_from(max.saturating_sub(count)).unwrap_or(usize::MAX);
        let Some(first) = ids.get(room) else {
            return Ok(None);
        };
        let (fitting, _) = entries.split_at(entries.partition_point(|entry| entry.id < *first));
        if fitting.is_empty() {
            return Err(Stop::Retry(format!(
                "{count} of at most {max} dead letters are parked, and entry {first} would be \
                 another: paused until some are retried or discarded"
            )));
        }
        Ok(Some(fitting))
    }

    /// Applies a dead letter again and removes it, in one transaction. Newer states of its node
    /// stay as they are.
    ///
    /// # Errors
    /// Why it still cannot be applied; it then stays parked.
    pub fn retry_dead_letter(&mut self, letter: &DeadLetter) -> Result<(), String> {
        // What became of a batch in flight, the store tells next.
        self.land();
        let checkpoint = self.current_checkpoint()?;
        let data = serde_json::value::RawValue::from_string(letter.data.clone())
            .map_err(|error| format!("its data is not JSON: {error}"))?;
        let event_type = EventType::from(letter.event_type.as_str());
        let event = Event::decode(&event_type, &data).map_err(|error| Chain(&error).to_string())?;
        let item = Item {
            id: letter.journal_id,
            node_id: event.node_id(),
            event_type: &event_type,
            size_delta: event.size_delta(),
            event: &event,
        };
        self.settle(&Batch {
            items: &[item],
            parked: &[],
            resolved: &[letter.journal_id],
            checkpoint,
        })
    }

    /// Removes a dead letter without applying it.
    ///
    /// # Errors
    /// Why the store cannot be written.
    pub fn discard_dead_letter(&mut self, journal_id: JournalId) -> Result<(), String> {
        // What became of a batch in flight, the store tells next.
        self.land();
        let checkpoint = self.current_checkpoint()?;
        self.settle(&Batch {
            items: &[],
            parked: &[],
            resolved: &[journal_id],
            checkpoint,
        })
    }

    fn settle(&mut self, batch: &Batch<'_>) -> Result<(), String> {
        self.dead_letters = None;
        self.sink
            .apply(batch)
            .map_err(|error| Chain(&error).to_string())
    }

    fn current_checkpoint(&mut self) -> Result<Checkpoint, String> {
        match self.sink.checkpoint() {
            Ok(Some(checkpoint)) => Ok(checkpoint),
            Ok(None) => Err("the book follows no journal yet".to_owned()),
            Err(error) => Err(Chain(&error).to_string()),
        }
    }
}

/// Checks that the page comes from the journal, and the history, that the checkpoint is of.
fn check_history(checkpoint: Checkpoint, page: &Slice) -> Result<(), Stop> {
    let Position { epoch, head, .. } = page.position;
    let Checkpoint {
        epoch: followed,
        journal_id,
        digest,
    } = checkpoint;
    if epoch != followed {
        return Err(Stop::Halt(Halt::OtherJournal {
            followed,
            found: epoch,
        }));
    }
    if journal_id > head {
        return Err(Stop::Halt(Halt::Ahead {
            checkpoint: journal_id,
            head,
        }));
    }
    if page.after_digest() == Some(digest) {
        return Ok(());
    }
    Err(Stop::Halt(if journal_id == head {
        Halt::EqualOtherDigest {
            checkpoint: journal_id,
        }
    } else {
        Halt::BehindOtherDigest {
            checkpoint: journal_id,
            head,
        }
    }))
}
