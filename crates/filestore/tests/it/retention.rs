//! The journal forgets what is old and applied, and nothing else.

use filestore::{Filestore, Options, RetentionOptions};
use journal::{Clock, JournalId, ReadError, Time};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

#[derive(Debug, Default)]
struct HandClock(AtomicI64);

impl Clock for HandClock {
    fn now(&self) -> Time {
        Time::from_millis(self.0.load(Ordering::SeqCst))
    }
}

const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;

#[test]
fn entries_go_when_they_are_old_and_applied() {
    let dirs = tempfile::tempdir().unwrap();
    let clock = Arc::new(HandClock::default());
    let mut options = Options::new(dirs.path().join("data"));
    options.clock = Arc::clone(&clock) as Arc<dyn Clock>;
    let filestore = Filestore::open(options).unwrap();
    // One mount, and so at least one entry, a day; the head after each.
    let heads: Vec<_> = (0..10)
        .map(|day| {
            clock.0.store(day * DAY_MILLIS, Ordering::SeqCst);
            let root = dirs.path().join(format!("day-{day}"));
            std::fs::create_dir(&root).unwrap();
            filestore.ensure_local_mount(&root).unwrap();
            filestore.reader().position().unwrap().head
        })
        .collect();
    let keep = |days: u64| RetentionOptions {
        keep: Duration::from_secs(days * 24 * 60 * 60),
    };

    // It is the tenth day: what was committed before the sixth is older than four days.
    assert_eq!(filestore.retain(keep(4), JournalId::MAX).unwrap(), heads[4]);
    assert_eq!(
        filestore.retain(keep(4), JournalId::MAX).unwrap(),
        heads[4],
        "nothing more to do"
    );
    // A consumer that has applied less holds it back.
    assert_eq!(filestore.retain(keep(1), heads[6]).unwrap(), heads[6]);
    // A clock that goes back trims nothing.
    clock.0.store(0, Ordering::SeqCst);
    assert_eq!(filestore.retain(keep(1), JournalId::MAX).unwrap(), heads[6]);

    let reader = filestore.reader();
    assert_eq!(reader.position().unwrap().trimmed, heads[6]);
    assert!(matches!(
        reader.read(heads[5], 10),
        Err(ReadError::Trimmed { .. })
    ));
    let kept = reader.read(heads[6], 1_000).unwrap().entries;
    assert_eq!(kept.last().map(|entry| entry.id), heads.last().copied());
    filestore.close();
}

#[test]
fn the_journal_is_held_for_consumers_up_to_a_bound() {
    let dirs = tempfile::tempdir().unwrap();
    let filestore = Filestore::open(Options::new(dirs.path().join("data"))).unwrap();
    for at in 0..10 {
        let root = dirs.path().join(format!("mount-{at}"));
        std::fs::create_dir(&root).unwrap();
        filestore.ensure_local_mount(&root).unwrap();
    }
    let head = filestore.reader().position().unwrap().head;
    let far = JournalId::new(2);
    filestore.hold_journal_for("far", move || far);
    filestore.hold_journal_for("near", move || head);
    let hold = filestore::HoldOptions::default();
    assert_eq!(filestore.trim_applied(JournalId::MAX, hold).unwrap(), far);
    let bounded = filestore::HoldOptions {
        max_entries: 3,
        ..hold
    };
    let held: Vec<_> = filestore
        .journal_consumers(bounded)
        .into_iter()
        .map(|consumer| (consumer.name, consumer.is_held))
        .collect();
    assert_eq!(held, [("far".to_owned(), false), ("near".to_owned(), true)]);
    assert_eq!(
        filestore.trim_applied(JournalId::MAX, bounded).unwrap(),
        head
    );
    filestore.close();
}
