//! Pages that the followers of one process share: what is read once, and that one follower makes no
//! difference to another.

use crate::ahead::{BATCH, LONG, Noting, id, journal, sharing};
use feed::consumer::{Halt, Pages, Step};
use feed::memory::{MemoryReader, MemorySink};
use journal::{JournalId, JournalReader, Page, Position, ReadError, Snapshot};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Pages of it that are read by whoever asks, and what was read.
fn pages(reader: &MemoryReader) -> (Pages, Noting) {
    let noting = Noting::over(reader);
    (Pages::from(Arc::new(noting.clone())), noting)
}

fn applied(step: &Step) -> u64 {
    match step {
        Step::Applied { entries, .. } => *entries,
        other => panic!("{other:?}"),
    }
}

#[test]
fn two_followers_that_stand_together_read_each_page_once() {
    let reader = journal(23);
    let (pages, noting) = pages(&reader);
    let (first, second) = (MemorySink::default(), MemorySink::default());
    let mut one = sharing(&pages, &first, BATCH);
    let mut other = sharing(&pages, &second, BATCH);
    for _ in 0..5 {
        assert_eq!(applied(&one.step()), applied(&other.step()));
    }
    // The last page ended at the head. Whoever comes later looks whether there is more.
    let expected = [0, 5, 10, 15, 20, 20].map(id);
    assert_eq!(noting.reads(), expected);
    assert_eq!(pages.kept_taken(), 4);
    assert_eq!(first.committed().effects.len(), 23);
    assert_eq!(first.committed().book, second.committed().book);
}

#[test]
fn a_follower_within_a_page_takes_the_rest_of_it() {
    let reader = journal(2);
    let (pages, noting) = pages(&reader);
    let (first, second) = (MemorySink::default(), MemorySink::default());
    let mut ahead = sharing(&pages, &first, BATCH);
    assert_eq!(applied(&ahead.step()), 2);
    reader.with(|journal| {
        for _ in 0..20 {
            journal.put(1, "b", 1);
        }
    });
    let mut behind = sharing(&pages, &second, BATCH);
    assert_eq!(applied(&behind.step()), 5, "1 to 5");
    assert_eq!(applied(&ahead.step()), 3, "what is left of them");
    assert_eq!(applied(&ahead.step()), 5, "6 to 10");
    assert_eq!(applied(&behind.step()), 5);
    assert_eq!(noting.reads(), [0, 0, 5].map(id));
}

#[test]
fn one_that_stays_behind_reads_again_what_the_others_are_past() {
    let reader = journal(500);
    let (pages, noting) = pages(&reader);
    let (first, second) = (MemorySink::default(), MemorySink::default());
    let mut ahead = sharing(&pages, &first, BATCH);
    let mut behind = sharing(&pages, &second, BATCH);
    assert_eq!(applied(&behind.step()), 5);
    while applied(&ahead.step()) == 5 && ahead.checkpoint().unwrap().journal_id < id(500) {}
    let read = noting.reads().len();
    // It has kept the page that this one takes next, and hardly any other.
    while behind.checkpoint().unwrap().journal_id < id(500) {
        assert_eq!(applied(&behind.step()), 5);
    }
    let again = noting.reads().len() - read;
    assert!((96..=98).contains(&again), "{again} of 99 pages");
    assert_eq!(first.committed().book, second.committed().book);
    assert_eq!(second.committed().effects.len(), 500);
}

#[test]
fn a_page_is_taken_only_by_a_follower_whose_history_it_continues() {
    let reader = journal(12);
    let (pages, _) = pages(&reader);
    let other = MemorySink::default();
    // The same journal until it was restored, and written on otherwise.
    let before = reader.with(|journal| journal.clone());
    reader.with(|journal| {
        journal.entries.truncate(2);
        for _ in 0..3 {
            journal.put(9, "another history", 1);
        }
    });
    let mut follower = sharing(&pages, &other, BATCH);
    assert_eq!(applied(&follower.step()), 5);
    reader.with(|journal| *journal = before);
    let mut right = sharing(&pages, &MemorySink::default(), BATCH);
    assert_eq!(applied(&right.step()), 5);
    assert_eq!(applied(&right.step()), 5);
    let step = follower.step();
    let halted = Halt::BehindOtherDigest {
        checkpoint: id(5),
        head: id(12),
    };
    assert!(
        matches!(&step, Step::Halted(halt) if *halt == halted),
        "{step:?}"
    );
    assert_eq!(other.committed().checkpoint.unwrap().journal_id, id(5));
}

#[test]
fn a_page_that_the_journal_no_longer_tells_is_not_given() {
    let reader = journal(12);
    let (pages, _) = pages(&reader);
    let (first, second) = (MemorySink::default(), MemorySink::default());
    assert_eq!(applied(&sharing(&pages, &first, BATCH).step()), 5);
    let mut late = sharing(&pages, &second, BATCH);
    // Restored while both stand at its beginning: the page of before is there still.
    reader.with(|journal| {
        journal.entries.truncate(2);
        for _ in 0..9 {
            journal.put(9, "another history", 1);
        }
    });
    assert_eq!(applied(&late.step()), 5);
    let expected = reader.with(|journal| journal.fold(id(5), &[]));
    assert_eq!(second.committed().book, expected);
}

/// A reader that panics when it is asked for the page after 5.
struct Panicking(MemoryReader, AtomicUsize);

impl JournalReader for Panicking {
    fn position(&self) -> Result<Position, ReadError> {
        self.0.position()
    }

    fn read(&self, after: JournalId, limit: usize) -> Result<Page, ReadError> {
        let is_first = after == id(5) && limit > 0 && self.1.fetch_add(1, Ordering::SeqCst) == 0;
        assert!(!is_first, "the reader is broken");
        self.0.read(after, limit)
    }

    fn wait(&self, after: JournalId, timeout: std::time::Duration) -> Result<Position, ReadError> {
        self.0.wait(after, timeout)
    }

    fn snapshot(&self) -> Result<Snapshot<'_>, ReadError> {
        self.0.snapshot()
    }
}

#[test]
fn nobody_waits_for_a_thread_that_panicked() {
    let reader = Arc::new(Panicking(journal(20), AtomicUsize::new(0)));
    let pages = Pages::from(Arc::clone(&reader));
    pages.read_ahead().unwrap();
    let sink = MemorySink::default();
    let mut follower = sharing(&pages, &sink, BATCH);
    assert_eq!(applied(&follower.step()), 5);
    testkit::wait_for("the page to be read ahead", LONG, || {
        match reader.1.load(Ordering::SeqCst) {
            0 => Err("not yet"),
            _ => Ok(()),
        }
    });
    for _ in 0..3 {
        assert_eq!(applied(&follower.step()), 5);
    }
    assert_eq!(sink.committed().effects.len(), 20);
}
