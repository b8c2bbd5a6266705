//! What must hold after every step, and in the end.

use super::{BATCH_MAX, Model, options};
use feed::memory::Committed;
use journal::{Event, JournalId};
use std::collections::BTreeSet;

impl Model {
    /// What the fold excludes: entries that are parked or discarded, unless a snapshot brought
    /// their state.
    fn excluded(&self) -> BTreeSet<JournalId> {
        let outside = self.parked.iter().chain(&self.discarded);
        outside
            .filter(|id| **id > self.by_snapshot)
            .copied()
            .collect()
    }

    /// Folds from the beginning: what is parked or discarded has changed.
    pub(super) fn refold(&mut self) {
        self.expected.clear();
        self.fold(JournalId::ZERO);
    }

    /// Folds the entries after `after` up to the checkpoint.
    fn fold(&mut self, after: JournalId) {
        let excluded = self.excluded();
        let from = usize::try_from(after.get()).unwrap();
        let to = usize::try_from(self.checked.get()).unwrap();
        let reader = self.reader.clone();
        reader.with(|journal| {
            for entry in &journal.entries[from..to] {
                if excluded.contains(&entry.id) {
                    continue;
                }
                if let Ok(Event::Node(event)) = entry.event() {
                    let state = (event.path.to_string(), event.size_bytes.unwrap(), entry.id);
                    self.expected.insert(event.node_id, state);
                }
            }
        });
    }

    pub(super) fn check(&mut self) {
        let sink = self.sink.clone();
        sink.with(|store| self.check_committed(&store.committed));
    }

    fn check_committed(&mut self, committed: &Committed) {
        self.parked = committed.parked.keys().copied().collect();
        let Some(checkpoint) = committed.checkpoint else {
            assert!(committed.book.is_empty(), "effects without a checkpoint");
            return;
        };
        let (reached, head) = (
            checkpoint.journal_id,
            self.reader.with(|journal| journal.head()),
        );
        let before = self.checked;
        assert!(reached >= before, "the checkpoint went back");
        assert!(reached <= head, "the checkpoint lies past the head");
        let digest = self.reader.with(|journal| journal.digest_at(reached));
        assert_eq!(
            Some(checkpoint.digest),
            digest,
            "the checkpoint's digest is the journal's"
        );
        let untouched: Vec<_> = (before.get() + 1..=reached.get())
            .map(JournalId::new)
            .filter(|id| !committed.effects.contains_key(id) && !committed.parked.contains_key(id))
            .collect();
        self.checked = reached;
        if let Some(last) = untouched.last() {
            let trimmed = self.reader.with(|journal| journal.trimmed as u64);
            assert!(trimmed > before.get(), "entries {untouched:?} were skipped");
            self.count("snapshot");
            self.by_snapshot = *last;
            self.refold();
        } else {
            self.fold(before);
        }
        assert_eq!(
            committed.book, self.expected,
            "the book is the fold of entries 1…{reached}"
        );
        assert!(
            committed.doubled.is_empty(),
            "took effect twice: {:?}",
            committed.doubled
        );
        let both: Vec<_> = self
            .parked
            .iter()
            .filter(|id| committed.effects.contains_key(id))
            .collect();
        assert!(
            both.is_empty(),
            "entries took effect and are parked: {both:?}"
        );
    }

    /// Everything heals; the head must be reached in bounded turns and bounded time.
    pub(super) fn heal(&mut self) {
        self.reader.with(|journal| journal.is_away = false);
        self.sink.with(|store| store.fault = None);
        self.start();
        self.make_room();
        let backlog = self.reader.with(|journal| journal.head()).get() - self.checked.get();
        let options = options(self.dead_letters_max);
        let longest = options.retry_longest.max(options.idle_interval);
        let mut deadline = self.now_ms + 2 * u64::try_from(longest.as_millis()).unwrap();
        let (mut turns, mut pauses, mut paused_at) = (0, 0, None);
        while self.checked < self.reader.with(|journal| journal.head()) {
            let at = self.next_turn_at().unwrap();
            assert!(at <= deadline, "the head was not reached in time");
            self.now_ms = at.max(self.now_ms);
            self.signals.retain(|signal| *signal > at);
            self.turn();
            turns += 1;
            if self.is_paused() {
                // The person comes once a pause; the time until then is theirs.
                let again = paused_at.replace(self.checked) == Some(self.checked);
                assert!(
                    !again,
                    "no progress after room was made at {}",
                    self.checked
                );
                self.make_room();
                pauses += 1;
                deadline = self.turn_at_ms + 2 * u64::try_from(longest.as_millis()).unwrap();
            }
            // A batch may need a turn to be taken and one to land.
            let batches = 2 * (backlog / BATCH_MAX as u64);
            assert!(
                turns <= batches + 4 + 3 * pauses,
                "{turns} turns and {pauses} pauses for {backlog} entries"
            );
        }
    }

    /// A person discards everything that is parked.
    fn make_room(&mut self) {
        let parked: Vec<_> = self.sink.committed().parked.into_keys().collect();
        for id in parked {
            self.discard(id);
        }
        self.parked.clear();
        self.refold();
    }
}
