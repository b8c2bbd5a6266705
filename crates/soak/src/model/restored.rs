//! A journal that is not the one the consumer follows.

use super::Model;
use feed::memory::MemoryJournal;
use journal::JournalId;

impl Model {
    /// For a while the consumer meets a journal that is not the one it follows.
    pub(super) fn restore_another_journal(&mut self) {
        self.land();
        let checkpoint = self.sink.with(|store| store.committed.checkpoint);
        let Some(checkpoint) = checkpoint.filter(|c| c.journal_id > JournalId::ZERO) else {
            return;
        };
        let truth = self.reader.with(|journal| journal.clone());
        let mut other = truth.clone();
        other.is_away = false;
        other.trimmed = 0;
        let at = usize::try_from(checkpoint.journal_id.get()).unwrap();
        let kind = [
            "restored-ahead",
            "restored-equal",
            "restored-behind",
            "other-epoch",
        ][usize::try_from(self.random.below(4)).unwrap()];
        self.count(kind);
        let write_on = |journal: &mut MemoryJournal, length: usize| {
            while journal.entries.len() < length {
                journal.put(99, "another history", 1);
            }
        };
        other.entries.truncate(at - 1);
        match kind {
            "restored-ahead" => {}
            "restored-equal" => write_on(&mut other, at),
            "restored-behind" => write_on(&mut other, at + 3),
            _ => {
                other = MemoryJournal::new();
                write_on(&mut other, at + 1);
            }
        }
        self.reader.with(|journal| *journal = other);
        let before = self.sink.committed();
        self.start();
        self.sink.with(|store| store.fault = None);
        let consumer = self.consumer.as_mut().unwrap();
        consumer.turn();
        let state = consumer.handle().status().state;
        assert_eq!(state, feed::ConsumerState::Halted, "{kind} must halt");
        let after = self.sink.committed();
        assert_eq!(
            (after.checkpoint, after.book),
            (before.checkpoint, before.book),
            "{kind}"
        );
        self.reader.with(|journal| *journal = truth);
    }
}
