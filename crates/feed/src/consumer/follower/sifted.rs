//! What of a page a sink takes, and what is parked.

use crate::{DeadLetter, Item, SinkError};
use journal::{Clock, DecodeError, Entry, Event, Time};
use process::Chain;

/// The entries of a page: those that a sink is to apply, and those that it cannot.
pub(super) struct Sifted<'a> {
    entries: &'a [Entry],
    /// Ascending.
    pub(super) items: Vec<Item<'a>>,
    pub(super) parked: Vec<DeadLetter>,
    now: Time,
}

impl<'a> Sifted<'a> {
    /// `events` are those of `entries`, one each.
    pub(super) fn new(
        entries: &'a [Entry],
        events: &'a [Result<Event<'a>, DecodeError>],
        clock: &dyn Clock,
    ) -> Self {
        let mut sifted = Self {
            entries,
            items: Vec::with_capacity(entries.len()),
            parked: Vec::new(),
            now: clock.now(),
        };
        for (entry, event) in entries.iter().zip(events) {
            match event {
                Ok(event) => sifted.items.push(Item::of(entry, event)),
                Err(error) => sifted.park(entry, Chain(error).to_string()),
            }
        }
        sifted
    }

    /// Has the items and the dead letters applied; whether they were. If one item is poison it is
    /// parked, and the rest is to be applied again.
    pub(super) fn apply(
        &mut self,
        apply: impl FnOnce(&[Item<'a>], &[DeadLetter]) -> Result<(), SinkError>,
    ) -> Result<bool, SinkError> {
        let (journal_id, reason) = match apply(&self.items, &self.parked) {
            Ok(()) => return Ok(true),
            Err(SinkError::Poison { journal_id, reason }) => (journal_id, reason),
            Err(error) => return Err(error),
        };
        let at = self.items.iter().position(|item| item.id == journal_id);
        let entry = self.entries.iter().find(|entry| entry.id == journal_id);
        let (Some(at), Some(entry)) = (at, entry) else {
            let text = format!(
                "the sink refused entry {journal_id}, which the batch does not hold: {reason}"
            );
            return Err(SinkError::Unavailable(text, None));
        };
        self.items.remove(at);
        self.park(entry, reason);
        Ok(false)
    }

    fn park(&mut self, entry: &Entry, reason: String) {
        self.parked.push(DeadLetter {
            journal_id: entry.id,
            event_type: entry.event_type.as_str().to_owned(),
            data: entry.data.get().to_owned(),
            reason,
            parked_at: self.now,
            attempts: 1,
        });
    }
}
