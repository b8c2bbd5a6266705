//! A sink that takes a batch before the one before it has committed.

use crate::ahead::{BATCH, id, journal, sharing};
use feed::consumer::{Follower, Pages, Step};
use feed::memory::{Fault, MemoryReader, MemorySink};
use journal::JournalId;
use std::sync::Arc;

/// A follower at the beginning, with another one ahead of it whose pages it takes: entries 1 to 15.
fn behind_another(reader: &MemoryReader, sink: &MemorySink) -> Follower<MemorySink> {
    let pages = Pages::from(Arc::new(reader.clone()));
    let mut follower = sharing(&pages, &sink.clone().with_flights(), BATCH);
    // What a consumer asks first.
    assert_eq!(follower.dead_letter_count().unwrap(), 0);
    let mut ahead = sharing(&pages, &MemorySink::default(), BATCH);
    for _ in 0..3 {
        assert!(matches!(ahead.step(), Step::Applied { entries: 5, .. }));
    }
    follower
}

fn durable(sink: &MemorySink) -> JournalId {
    let checkpoint = sink.committed().checkpoint;
    checkpoint.map_or(JournalId::ZERO, |checkpoint| checkpoint.journal_id)
}

fn shown(follower: &Follower<MemorySink>) -> JournalId {
    follower.checkpoint().unwrap().journal_id
}

#[test]
fn a_batch_is_shown_when_it_has_landed_and_not_before() {
    let (reader, sink) = (journal(23), MemorySink::default());
    let mut follower = behind_another(&reader, &sink);
    let step = follower.step();
    assert!(matches!(step, Step::Begun), "{step:?}");
    assert_eq!((shown(&follower), durable(&sink)), (id(0), id(0)));
    // The next one is taken, and with that the first is durable.
    assert!(matches!(follower.step(), Step::Applied { entries: 5, .. }));
    assert!(follower.is_in_flight());
    assert_eq!((shown(&follower), durable(&sink)), (id(5), id(5)));
    // No further page is at hand.
    assert!(matches!(follower.step(), Step::Applied { entries: 5, .. }));
    assert!(!follower.is_in_flight());
    assert_eq!((shown(&follower), durable(&sink)), (id(10), id(10)));
    while !matches!(follower.step(), Step::AtHead) {}
    let committed = sink.committed();
    assert_eq!(committed.book, reader.with(|it| it.fold(id(23), &[])));
    assert_eq!(committed.effects.len(), 23);
    assert!(committed.doubled.is_empty());
}

#[test]
fn nothing_of_what_follows_a_failed_batch_takes_effect() {
    for (fault, kept) in [(Fault::RollBack, 0), (Fault::CommitUnanswered, 5)] {
        let (reader, sink) = (journal(23), MemorySink::default());
        let mut follower = behind_another(&reader, &sink);
        sink.with(|store| store.fault = Some(fault));
        assert!(matches!(follower.step(), Step::Begun));
        let step = follower.step();
        assert!(matches!(step, Step::Retry(_)), "{step:?}");
        assert!(!follower.is_in_flight());
        assert_eq!(durable(&sink), id(kept));
        // It asks the store how far it is, and applies the next batch by itself.
        assert!(matches!(follower.step(), Step::Applied { entries: 5, .. }));
        assert!(!follower.is_in_flight());
        assert_eq!(durable(&sink), id(kept + 5));
        while !matches!(follower.step(), Step::AtHead) {}
        assert_eq!(sink.committed().effects.len(), 23);
        assert!(sink.committed().doubled.is_empty());
    }
}

#[test]
fn poison_is_told_of_its_own_batch() {
    let (reader, sink) = (journal(23), MemorySink::default());
    reader.with(|journal| {
        journal.entries.truncate(7);
        journal.put(1, "bad", 1);
        for _ in 0..15 {
            journal.put(1, "a", 1);
        }
    });
    sink.with(|store| store.poison = Some("bad".to_owned()));
    let mut follower = behind_another(&reader, &sink);
    assert!(matches!(follower.step(), Step::Begun));
    // It is in the batch that is taken now; the one before it has landed.
    assert!(matches!(follower.step(), Step::Begun));
    assert_eq!(durable(&sink), id(5));
    assert!(matches!(follower.step(), Step::Applied { entries: 5, .. }));
    let committed = sink.committed();
    assert_eq!(
        committed.parked.keys().copied().collect::<Vec<_>>(),
        [id(8)]
    );
    assert_eq!(committed.effects.len(), 9);
}

#[test]
fn a_batch_in_flight_lands_before_a_dead_letter_is_settled() {
    let (reader, sink) = (journal(23), MemorySink::default());
    let mut follower = behind_another(&reader, &sink);
    assert!(matches!(follower.step(), Step::Begun));
    follower.discard_dead_letter(id(3)).unwrap();
    assert!(!follower.is_in_flight());
    assert_eq!((shown(&follower), durable(&sink)), (id(5), id(5)));
}
