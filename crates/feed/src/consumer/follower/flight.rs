//! A batch that the sink commits while the next page is at hand.
//!
//! Only where there is a backlog, and where the next page has been read or is being read: an entry that
//! comes alone is applied, and durable when its step returns. The follower's checkpoint is what is
//! durable. What is in flight becomes the checkpoint when it has landed, and whoever waits for an entry,
//! or asks for the lag, sees it only then.
//!
//! If a batch fails in flight, the one after it has not taken effect either ([`Sink::begin`]). The
//! follower then reads its checkpoint from the store, and applies the next batch by itself, so that an
//! entry that is poison is told of its own batch.

use super::sifted::Sifted;
use super::{Follower, Slice, Step, Stop, check_history};
use crate::{Batch, Begun, Checkpoint, Sink, SinkError};
use journal::{Digest, Time};
use std::time::Duration;

/// How long a batch in flight is not landed, because the next page may come.
const PATIENCE: Duration = Duration::from_millis(20);

/// A batch that the sink has taken.
#[derive(Debug)]
pub(super) struct Flight {
    /// The checkpoint before it.
    from: Checkpoint,
    checkpoint: Checkpoint,
    /// As in [`Step::Applied`].
    last: Option<(String, Option<Time>)>,
}

impl<S: Sink> Follower<S> {
    /// Whether the batch may be in flight when its step ends.
    pub(super) fn may_begin(&self, slice: &Slice) -> bool {
        let Some(last) = slice.entries().last() else {
            return false;
        };
        // How many dead letters there are is asked of a sink that has nothing in flight.
        !self.is_wary
            && self.dead_letters.is_some()
            && !self.is_rebuilding()
            && last.id < slice.position.head
            && self.pages.expects(last.id)
    }

    /// Has the sink take the page, after `before` if that is in flight. `None` if it is to be applied
    /// by itself; then nothing is in flight.
    pub(super) fn begin(
        &mut self,
        from: Checkpoint,
        before: Option<Flight>,
        slice: &Slice,
        digest: Digest,
    ) -> Result<Option<Step>, Stop> {
        let (entries, events) = (slice.entries(), slice.events());
        let sifted = Sifted::new(entries, events, &*self.clock);
        let Some(last) = entries.last().filter(|_| sifted.parked.is_empty()) else {
            return before.map(|before| self.land_flight(before)).transpose();
        };
        let flight = Flight {
            from,
            checkpoint: Checkpoint {
                epoch: from.epoch,
                journal_id: last.id,
                digest,
            },
            last: Some((
                last.event_type.as_str().to_owned(),
                sifted.items.last().and_then(|it| it.event.observed_at()),
            )),
        };
        let begun = self.sink.begin(&Batch {
            items: &sifted.items,
            parked: &[],
            resolved: &[],
            checkpoint: flight.checkpoint,
        });
        match begun {
            Ok(Begun::InFlight) => {
                self.flight = Some(flight);
                Ok(Some(before.map_or(Step::Begun, |it| self.landed(it))))
            }
            Ok(Begun::Durable) => {
                let from = before.map_or(from, |before| before.from);
                Ok(Some(self.landed(Flight { from, ..flight })))
            }
            Err(error) => self.fail(error).map(Some),
        }
    }

    /// The step while a batch is in flight: the sink takes the next page, if it is there in time and
    /// nothing is the matter with it. Otherwise the batch lands, and the next step looks at the journal.
    pub(super) fn step_in_flight(&mut self, flight: Flight) -> Result<Step, Stop> {
        let from = flight.checkpoint;
        let limit = self.options.batch_max_entries;
        let is_at_hand = self.pages.wait_for(from, PATIENCE);
        let slice = is_at_hand.then(|| self.pages.read(from, limit));
        let Some(Ok(slice)) = slice else {
            return self.land_flight(flight);
        };
        let is_sound = check_history(from, &slice).is_ok();
        match slice.chain() {
            Ok(digest) if is_sound && self.may_begin(&slice) => {
                self.position = Some(slice.position);
                let step = self.begin(from, Some(flight), &slice, digest)?;
                Ok(step.unwrap_or(Step::Begun))
            }
            _ => self.land_flight(flight),
        }
    }

    /// Whether the sink has taken a batch that is not known to be durable.
    #[must_use]
    pub const fn is_in_flight(&self) -> bool {
        self.flight.is_some()
    }

    /// Waits for the batch in flight, as whoever asks for something else of the sink has to; what that
    /// did, if there was one.
    pub fn land(&mut self) -> Option<Step> {
        let flight = self.flight.take()?;
        let step = self.land_flight(flight);
        Some(self.told(step))
    }

    fn land_flight(&mut self, flight: Flight) -> Result<Step, Stop> {
        match self.sink.land() {
            Ok(()) => Ok(self.landed(flight)),
            Err(error) => self.fail(error),
        }
    }

    /// The batch is durable.
    fn landed(&mut self, flight: Flight) -> Step {
        let Flight {
            from,
            checkpoint,
            last,
        } = flight;
        self.checkpoint = Some(checkpoint);
        Step::Applied {
            entries: checkpoint.journal_id.entries_since(from.journal_id),
            last,
        }
    }

    /// Nothing is in flight any more. The next step asks the store how far it is, and applies a batch by
    /// itself: if an entry is poison, that one parks it.
    fn fail(&mut self, error: SinkError) -> Result<Step, Stop> {
        self.is_wary = true;
        if matches!(error, SinkError::Poison { .. }) {
            self.checkpoint = None;
            return Ok(Step::Begun);
        }
        Err(error.into())
    }
}
