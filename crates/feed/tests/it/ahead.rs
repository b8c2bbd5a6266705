//! Reading ahead of the sink: what it gains, and that it changes nothing else.

use feed::consumer::{
    self, ConsumerHandle, ConsumerOptions, Follower, FollowerOptions, Halt, Pages, Step,
};
use feed::memory::{Fault, MemoryReader, MemorySink};
use feed::{Batch, Checkpoint, DeadLetter, Sink, SinkError};
use journal::{
    ChainError, JournalId, JournalReader, Page, Position, ReadError, Snapshot, SystemClock,
};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Far longer than anything here takes: a test that waits this long has failed.
pub(crate) const LONG: Duration = Duration::from_secs(60);
pub(crate) const BATCH: usize = 5;

pub(crate) fn id(number: u64) -> JournalId {
    JournalId::new(number)
}

/// A reader that notes after which ids it was read.
#[derive(Clone)]
pub(crate) struct Noting {
    inner: MemoryReader,
    reads: Arc<Mutex<Vec<JournalId>>>,
}

impl Noting {
    pub(crate) fn over(inner: &MemoryReader) -> Self {
        Self {
            inner: inner.clone(),
            reads: Arc::default(),
        }
    }

    pub(crate) fn reads(&self) -> Vec<JournalId> {
        self.reads.lock().unwrap().clone()
    }
}

impl JournalReader for Noting {
    fn position(&self) -> Result<Position, ReadError> {
        self.inner.position()
    }

    fn read(&self, after: JournalId, limit: usize) -> Result<Page, ReadError> {
        let page = self.inner.read(after, limit);
        // A question about the digest at an id reads nothing.
        if limit > 0 {
            self.reads.lock().unwrap().push(after);
        }
        page
    }

    fn wait(&self, after: JournalId, timeout: Duration) -> Result<Position, ReadError> {
        self.inner.wait(after, timeout)
    }

    fn snapshot(&self) -> Result<Snapshot<'_>, ReadError> {
        self.inner.snapshot()
    }
}

/// A sink that does something before each batch.
struct Before<F>(MemorySink, F);

impl<F: FnMut(&Batch<'_>) + Send + 'static> Sink for Before<F> {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn checkpoint(&mut self) -> Result<Option<Checkpoint>, SinkError> {
        self.0.checkpoint()
    }

    fn apply(&mut self, batch: &Batch<'_>) -> Result<(), SinkError> {
        (self.1)(batch);
        self.0.apply(batch)
    }

    fn load_snapshot(&mut self, snapshot: Snapshot<'_>) -> Result<(), SinkError> {
        self.0.load_snapshot(snapshot)
    }

    fn dead_letters(
        &mut self,
        after: JournalId,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, SinkError> {
        self.0.dead_letters(after, limit)
    }

    fn dead_letter_count(&mut self) -> Result<u64, SinkError> {
        self.0.dead_letter_count()
    }
}

/// A journal of so many entries.
pub(crate) fn journal(entries: u64) -> MemoryReader {
    let reader = MemoryReader::new();
    reader.with(|journal| {
        for number in 0..entries {
            journal.put(i64::try_from(number % 7).unwrap(), "a", 1);
        }
    });
    reader
}

fn follower(reader: &MemoryReader, sink: &MemorySink, batch: usize) -> Follower<MemorySink> {
    let pages = Pages::from(Arc::new(reader.clone()));
    pages.read_ahead().unwrap();
    sharing(&pages, sink, batch)
}

pub(crate) fn sharing(pages: &Pages, sink: &MemorySink, batch: usize) -> Follower<MemorySink> {
    let options = FollowerOptions {
        batch_max_entries: batch,
        ..FollowerOptions::default()
    };
    let clock = Arc::new(SystemClock);
    Follower::new(sink.clone(), pages.clone(), clock, options)
}

#[tokio::test]
async fn one_page_and_no_more_is_read_while_the_sink_commits_the_one_before() {
    let (reader, store) = (Noting::over(&journal(20)), MemorySink::default());
    let seen = reader.clone();
    let sink = Before(store.clone(), move |batch: &Batch<'_>| {
        let after = batch.items[0].id.get() - 1;
        let next = batch.checkpoint.journal_id;
        if next < id(20) {
            // It can only come while this batch is not committed yet.
            testkit::wait_for("the next page to be read", LONG, || {
                let reads = seen.reads();
                reads.contains(&next).then_some(()).ok_or(reads)
            });
        }
        let pages = usize::try_from(after).unwrap() / BATCH + 1;
        assert!(seen.reads().len() <= pages + 1, "{:?}", seen.reads());
    });
    let options = ConsumerOptions {
        batch_max_entries: BATCH,
        ..ConsumerOptions::default()
    };
    let clock = Arc::new(SystemClock);
    let consumer = consumer::spawn(sink, Arc::new(reader.clone()), clock, options).unwrap();
    assert_eq!(consumer.wait_for(id(20), LONG).await, id(20));
    consumer.stop();
    assert!(consumer.stopped(LONG));
    assert_eq!(store.committed().effects.len(), 20);
}

#[test]
fn a_page_that_was_read_ahead_is_forgotten_after_a_failure() {
    let (reader, sink) = (journal(20), MemorySink::default());
    let mut follower = follower(&reader, &sink, BATCH);
    assert!(matches!(follower.step(), Step::Applied { entries: 5, .. }));
    sink.with(|store| store.fault = Some(Fault::RollBack));
    assert!(matches!(follower.step(), Step::Retry(_)));
    // Whoever tries again looks at the journal that is there then.
    reader.with(|journal| journal.entries.truncate(3));
    let halted = Halt::Ahead {
        checkpoint: id(5),
        head: id(3),
    };
    assert!(matches!(follower.step(), Step::Halted(halt) if halt == halted));
    assert_eq!(sink.committed().checkpoint.unwrap().journal_id, id(5));
}

#[test]
fn a_page_that_was_read_ahead_is_checked_as_any_other() {
    for forged in [false, true] {
        let (reader, sink) = (journal(12), MemorySink::default());
        reader.with(|journal| {
            if forged {
                let data = serde_json::value::RawValue::from_string("{}".to_owned()).unwrap();
                journal.entries[7].data = data;
            } else {
                journal.entries.remove(7);
            }
        });
        let mut follower = follower(&reader, &sink, BATCH);
        assert!(matches!(follower.step(), Step::Applied { entries: 5, .. }));
        let expected = if forged {
            ChainError::Mismatch { id: id(8) }
        } else {
            ChainError::Gap {
                expected: id(8),
                found: id(9),
            }
        };
        let step = follower.step();
        assert!(
            matches!(&step, Step::Halted(Halt::Chain(error)) if *error == expected),
            "{step:?}"
        );
        assert_eq!(sink.committed().checkpoint.unwrap().journal_id, id(5));
    }
}

#[test]
fn a_page_of_another_history_is_refused_although_it_hangs_together() {
    let (reader, sink) = (journal(12), MemorySink::default());
    let mut follower = follower(&reader, &sink, BATCH);
    assert!(matches!(follower.step(), Step::Applied { entries: 5, .. }));
    assert!(matches!(follower.step(), Step::Applied { entries: 5, .. }));
    assert!(matches!(follower.step(), Step::Applied { entries: 2, .. }));
    // At the head nothing is read ahead, so the next step meets the other history.
    reader.with(|journal| {
        journal.entries.truncate(2);
        for _ in 0..20 {
            journal.put(9, "another history", 1);
        }
    });
    let step = follower.step();
    assert!(
        matches!(step, Step::Halted(Halt::BehindOtherDigest { .. })),
        "{step:?}"
    );
}

proptest::proptest! {
    #[test]
    fn faults_end_where_they_end_without_reading_ahead(
        batch in 1_usize..9,
        entries in 1_u64..60,
        faults in proptest::collection::vec(0_u8..4, 0..40),
    ) {
        let (reader, sink) = (journal(entries), MemorySink::default());
        reader.with(|journal| journal.append("filestore.node.updated", Some(1), "{}"));
        let mut follower = follower(&reader, &sink, batch);
        let mut faults = faults.into_iter();
        loop {
            match faults.next() {
                Some(0) => sink.with(|store| store.fault = Some(Fault::RollBack)),
                Some(1) => sink.with(|store| store.fault = Some(Fault::CommitUnanswered)),
                Some(2) => drop(reader.with(|journal| journal.put(3, "later", 2))),
                Some(_) => {}
                None => sink.with(|store| store.fault = None),
            }
            match follower.step() {
                Step::AtHead if faults.len() == 0 => break,
                Step::AtHead | Step::Applied { .. } | Step::Retry(_) => {}
                other => panic!("{other:?}"),
            }
        }
        let committed = sink.committed();
        let head = reader.with(|journal| journal.head());
        let poison = id(entries + 1);
        proptest::prop_assert_eq!(committed.checkpoint.unwrap().journal_id, head);
        proptest::prop_assert_eq!(&committed.book, &reader.with(|it| it.fold(head, &[])));
        proptest::prop_assert!(committed.doubled.is_empty());
        proptest::prop_assert_eq!(committed.parked.keys().copied().collect::<Vec<_>>(), [poison]);
        proptest::prop_assert_eq!(committed.effects.len() as u64, head.get() - 1);
    }
}

#[tokio::test]
async fn a_sink_that_stands_still_holds_up_neither_the_other_nor_the_journal() {
    let reader = journal(20);
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let (stuck, quick) = (MemorySink::default(), MemorySink::default());
    let closed = Arc::clone(&gate);
    let slow = Before(stuck.clone(), move |_: &Batch<'_>| {
        let (is_open, opened) = &*closed;
        let is_open = is_open.lock().unwrap();
        drop(opened.wait_while(is_open, |is_open| !*is_open).unwrap());
    });
    let spawn = |options| {
        let clock = Arc::new(SystemClock);
        consumer::spawn(quick.clone(), Arc::new(reader.clone()), clock, options).unwrap()
    };
    let options = ConsumerOptions {
        batch_max_entries: BATCH,
        poll_interval: Duration::from_millis(5),
        ..ConsumerOptions::default()
    };
    let clock = Arc::new(SystemClock);
    let held = consumer::spawn(slow, Arc::new(reader.clone()), clock, options.clone()).unwrap();
    let free = spawn(options);
    assert_eq!(free.wait_for(id(20), LONG).await, id(20));
    // Commits and the other consumer go on for as long as the one stands.
    for number in 21..=200 {
        reader.with(|journal| journal.put(1, "b", 1));
        assert_eq!(free.wait_for(id(number), LONG).await, id(number));
    }
    assert_eq!(quick.committed().effects.len(), 200);
    assert!(stuck.committed().checkpoint.is_none());
    let status = held.status();
    assert_eq!(status.checkpoint, JournalId::ZERO);
    assert!(status.applied == 0 && free.status().lag_entries == 0);

    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
    assert_eq!(held.wait_for(id(200), LONG).await, id(200));
    assert_eq!(stuck.committed().book, quick.committed().book);
    [held, free].iter().for_each(ConsumerHandle::stop);
}
