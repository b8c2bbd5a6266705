//! A second book of the same process: it takes the pages that the first one takes, in its own time,
//! and neither is to make a difference to the other.

use super::{Model, options};
use feed::consumer::{Consumer, Pages};
use feed::memory::{Fault, MemorySink};
use journal::SystemClock;
use std::sync::Arc;

/// Its consumer, and what it has committed.
pub(super) struct Neighbour {
    sink: MemorySink,
    consumer: Consumer<MemorySink>,
}

impl Neighbour {
    pub(super) fn new(pages: &Pages, has_flights: bool) -> Self {
        let sink = MemorySink::default();
        let sink = if has_flights {
            sink.with_flights()
        } else {
            sink
        };
        Self {
            consumer: start(&sink, pages),
            sink,
        }
    }
}

fn start(sink: &MemorySink, pages: &Pages) -> Consumer<MemorySink> {
    let clock = Arc::new(SystemClock);
    // It parks what nobody can read, and never so much that it has to pause.
    Consumer::new(sink.clone(), pages.clone(), clock, options(u64::MAX))
}

impl Model {
    /// Some turns, in which its store may fail, and sometimes a new beginning.
    pub(super) fn turn_neighbour(&mut self) {
        if self.random.chance(10) {
            self.neighbour.consumer = start(&self.neighbour.sink, &self.pages);
        }
        for _ in 0..=self.random.below(3) {
            let fault = match self.random.below(10) {
                0 => Some(Fault::RollBack),
                1 => Some(Fault::CommitUnanswered),
                _ => None,
            };
            self.neighbour.sink.with(|store| store.fault = fault);
            self.neighbour.consumer.turn();
        }
        self.check_neighbour();
    }

    /// What the thread does that reads ahead.
    pub(super) fn read_ahead(&mut self) {
        if self.pages.read_one_ahead() {
            self.count("page-ahead");
        }
    }

    pub(super) fn heal_neighbour(&mut self) {
        self.neighbour.sink.with(|store| store.fault = None);
        let head = self.reader.with(|journal| journal.head());
        for _ in 0..2 * head.get() + 4 {
            self.neighbour.consumer.turn();
        }
        self.check_neighbour();
        let reached = self.neighbour.consumer.handle().status().checkpoint;
        assert_eq!(reached, head, "the neighbour did not reach the head");
    }

    /// Its book is the fold of the entries up to its checkpoint, each of which took effect once.
    fn check_neighbour(&self) {
        let committed = self.neighbour.sink.committed();
        let Some(checkpoint) = committed.checkpoint else {
            assert!(committed.book.is_empty(), "effects without a checkpoint");
            return;
        };
        let (id, reader) = (checkpoint.journal_id, &self.reader);
        let digest = reader.with(|journal| journal.digest_at(id));
        assert_eq!(Some(checkpoint.digest), digest, "the neighbour's digest");
        // An entry that nobody can read makes no difference to a fold either.
        let expected = reader.with(|journal| journal.fold(id, &[]));
        assert_eq!(committed.book, expected, "the neighbour's book at {id}");
        assert!(committed.doubled.is_empty(), "{:?}", committed.doubled);
        let settled = committed.effects.len() + committed.parked.len();
        let is_trimmed = reader.with(|journal| journal.trimmed > 0);
        assert!(
            is_trimmed || settled as u64 == id.get(),
            "{settled} of {id} entries took effect"
        );
    }
}
