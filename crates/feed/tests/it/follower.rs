//! What one step does, and what it refuses.

use feed::consumer::{Follower, FollowerOptions, Halt, Step};
use feed::memory::{Fault, MemoryJournal, MemoryReader, MemorySink};
use feed::{Batch, Checkpoint, Sink};
use journal::{ChainError, Digest, Epoch, JournalId, SystemClock};
use std::sync::Arc;

fn follower(reader: &MemoryReader, sink: &MemorySink) -> Follower<MemorySink> {
    with_options(reader, sink, FollowerOptions::default())
}

fn with_options(
    reader: &MemoryReader,
    sink: &MemorySink,
    options: FollowerOptions,
) -> Follower<MemorySink> {
    Follower::new(
        sink.clone(),
        Arc::new(reader.clone()),
        Arc::new(SystemClock),
        options,
    )
}

fn catch_up(follower: &mut Follower<MemorySink>) {
    for _ in 0..1_000 {
        match follower.step() {
            Step::AtHead => return,
            Step::Applied { .. } | Step::LoadedSnapshot => {}
            other => panic!("{other:?}"),
        }
    }
    panic!("the head was not reached in 1,000 steps");
}

fn id(number: u64) -> JournalId {
    JournalId::new(number)
}

#[test]
fn memory_journal_keeps_the_read_contract() {
    let reader = MemoryReader::new();
    journal::conformance::check(&reader, |entries| {
        for node in 0..entries {
            reader.with(|journal| journal.put(i64::try_from(node).unwrap(), "a", 1));
        }
    });
    reader.with(|journal| journal.trimmed = 3);
    journal::conformance::check_trimmed(&reader);
}

#[test]
fn applies_what_is_there_in_batches_and_then_rests() {
    let (reader, sink) = (MemoryReader::new(), MemorySink::default());
    reader.with(|journal| {
        for node in 0..25 {
            journal.put(node, "a", node);
        }
    });
    let options = FollowerOptions {
        batch_max_entries: 10,
        ..FollowerOptions::default()
    };
    let mut follower = with_options(&reader, &sink, options);
    let sizes: Vec<_> = std::iter::from_fn(|| match follower.step() {
        Step::Applied { entries, .. } => Some(entries),
        _ => None,
    })
    .collect();
    assert_eq!(sizes, [10, 10, 5]);
    let committed = sink.committed();
    assert_eq!(
        committed.book,
        reader.with(|journal| journal.fold(id(25), &[]))
    );
    assert!(committed.effects.values().all(|count| *count == 1) && committed.effects.len() == 25);
    assert_eq!(
        committed.checkpoint.unwrap().digest,
        reader.with(|j| j.digest_at(id(25)).unwrap())
    );
}

#[test]
fn resumes_after_a_crash_and_a_lost_answer_without_doubling() {
    let (reader, sink) = (MemoryReader::new(), MemorySink::default());
    for (round, fault) in [None, Some(Fault::RollBack), Some(Fault::CommitUnanswered)]
        .into_iter()
        .enumerate()
    {
        for node in 0..5 {
            reader.with(|journal| journal.put(node, &format!("r{round}"), 1));
        }
        sink.with(|store| store.fault = fault);
        let mut first = follower(&reader, &sink);
        let step = first.step();
        assert_eq!(matches!(step, Step::Retry(_)), fault.is_some(), "{step:?}");
        // Half the time the same process goes on, half the time another takes over.
        let mut next = if round == 1 {
            first
        } else {
            follower(&reader, &sink)
        };
        catch_up(&mut next);
    }
    let committed = sink.committed();
    assert_eq!(committed.effects.len(), 15);
    assert!(
        committed.effects.values().all(|count| *count == 1),
        "{:?}",
        committed.effects
    );
    assert_eq!(
        committed.book,
        reader.with(|journal| journal.fold(id(15), &[]))
    );
}

#[test]
fn parks_poison_with_its_reason_and_goes_on() {
    let (reader, sink) = (MemoryReader::new(), MemorySink::default());
    reader.with(|journal| {
        journal.put(1, "good", 1);
        journal.put(2, "bad", 2);
        journal.append("filestore.node.updated", Some(3), r#"{"nodeId":3}"#);
        journal.append("filestore.of.a.later.version", None, r#"{"anything":1}"#);
        journal.put(1, "better", 5);
    });
    sink.with(|store| store.poison = Some("bad".to_owned()));
    let mut follower = follower(&reader, &sink);
    catch_up(&mut follower);
    let committed = sink.committed();
    assert_eq!(
        committed
            .parked
            .keys()
            .map(|id| id.get())
            .collect::<Vec<_>>(),
        [2, 3]
    );
    assert!(committed.parked[&id(2)].reason.contains("poison"));
    assert!(
        committed.parked[&id(3)].reason.contains("backendMountId"),
        "{:?}",
        committed.parked
    );
    assert_eq!(
        committed.book,
        reader.with(|journal| journal.fold(id(5), &[id(2), id(3)]))
    );
    assert_eq!(committed.checkpoint.unwrap().journal_id, id(5));
    assert_eq!(follower.dead_letter_count().unwrap(), 2);

    // A newer state of the node arrives before the dead letter is retried: it is not undone.
    sink.with(|store| store.poison = None);
    reader.with(|journal| journal.put(2, "newer", 9));
    catch_up(&mut follower);
    let letter = sink.committed().parked[&id(2)].clone();
    follower.retry_dead_letter(&letter).unwrap();
    let committed = sink.committed();
    assert_eq!(committed.book[&2], ("newer".to_owned(), 9, id(6)));
    assert_eq!(
        committed.checkpoint.unwrap().journal_id,
        id(6),
        "a retry moves no checkpoint"
    );
    assert_eq!(committed.effects[&id(2)], 1);

    // The other one cannot be applied and stays until it is discarded.
    let letter = committed.parked[&id(3)].clone();
    let reason = follower.retry_dead_letter(&letter).unwrap_err();
    assert!(reason.contains("backendMountId"), "{reason}");
    assert_eq!(sink.committed().parked.len(), 1);
    follower.discard_dead_letter(id(3)).unwrap();
    assert_eq!(follower.dead_letter_count().unwrap(), 0);
}

#[test]
fn a_full_park_pauses_and_drops_nothing() {
    let (reader, sink) = (MemoryReader::new(), MemorySink::default());
    reader.with(|journal| {
        for _ in 0..3 {
            journal.append("filestore.node.updated", None, "{}");
        }
    });
    let options = FollowerOptions {
        batch_max_entries: 1,
        dead_letters_max: 2,
    };
    let mut follower = with_options(&reader, &sink, options);
    assert!(matches!(follower.step(), Step::Applied { .. }));
    assert!(matches!(follower.step(), Step::Applied { .. }));
    let Step::Retry(reason) = follower.step() else {
        panic!("it must pause")
    };
    assert!(reason.contains("2 of at most 2 dead letters"), "{reason}");
    assert_eq!(sink.committed().checkpoint.unwrap().journal_id, id(2));
    follower.discard_dead_letter(id(1)).unwrap();
    catch_up(&mut follower);
    assert_eq!(sink.committed().checkpoint.unwrap().journal_id, id(3));
}

#[test]
fn tells_the_kinds_of_mismatch_apart_and_changes_nothing() {
    let (reader, sink) = (MemoryReader::new(), MemorySink::default());
    reader.with(|journal| {
        for node in 0..6 {
            journal.put(node, "a", 1);
        }
    });
    catch_up(&mut follower(&reader, &sink));
    let before = sink.committed();
    let original = reader.with(|journal| journal.clone());
    let halt_with = |journal: MemoryJournal| {
        reader.with(|current| *current = journal);
        let step = follower(&reader, &sink).step();
        let Step::Halted(halt) = step else {
            panic!("{step:?}")
        };
        halt
    };

    let other = MemoryJournal {
        epoch: Epoch::generate(),
        ..original.clone()
    };
    let (followed, found) = (original.epoch, other.epoch);
    assert_eq!(halt_with(other), Halt::OtherJournal { followed, found });

    let mut restored = original.clone();
    restored.entries.truncate(4);
    let (checkpoint, head) = (id(6), id(4));
    assert_eq!(
        halt_with(restored.clone()),
        Halt::Ahead { checkpoint, head }
    );

    restored.put(9, "written after the restore", 1);
    restored.put(9, "and again", 1);
    assert_eq!(
        halt_with(restored.clone()),
        Halt::EqualOtherDigest { checkpoint }
    );

    restored.put(9, "and on", 1);
    assert_eq!(
        halt_with(restored),
        Halt::BehindOtherDigest {
            checkpoint,
            head: id(7)
        }
    );

    assert_eq!(sink.committed().book, before.book);
    assert_eq!(sink.committed().checkpoint, before.checkpoint);
    reader.with(|current| *current = original);
    catch_up(&mut follower(&reader, &sink));
}

#[test]
fn refuses_gaps_and_forged_entries() {
    let (reader, sink) = (MemoryReader::new(), MemorySink::default());
    reader.with(|journal| {
        for node in 0..4 {
            journal.put(node, "a", 1);
        }
    });
    let whole = reader.with(|journal| journal.clone());

    reader.with(|journal| drop(journal.entries.remove(1)));
    let step = follower(&reader, &sink).step();
    let gap = ChainError::Gap {
        expected: id(2),
        found: id(3),
    };
    assert!(
        matches!(&step, Step::Halted(Halt::Chain(error)) if *error == gap),
        "{step:?}"
    );

    let mut forged = whole;
    forged.entries[2].data = serde_json::value::RawValue::from_string("{}".to_owned()).unwrap();
    reader.with(|journal| *journal = forged);
    let step = follower(&reader, &sink).step();
    let mismatch = ChainError::Mismatch { id: id(3) };
    assert!(
        matches!(&step, Step::Halted(Halt::Chain(error)) if *error == mismatch),
        "{step:?}"
    );
    assert!(sink.committed().checkpoint.is_none(), "nothing was applied");
}

#[test]
fn a_consumer_behind_the_retention_starts_from_a_snapshot() {
    let (reader, sink) = (MemoryReader::new(), MemorySink::default());
    reader.with(|journal| {
        for node in 0..4 {
            journal.put(node % 2, "a", node);
        }
    });
    catch_up(&mut follower(&reader, &sink));
    reader.with(|journal| {
        for node in 0..9 {
            journal.put(node % 3, "b", node);
        }
        journal.trimmed = 8;
    });
    let mut late = follower(&reader, &sink);
    assert!(matches!(late.step(), Step::LoadedSnapshot));
    reader.with(|journal| journal.put(1, "c", 1));
    catch_up(&mut late);
    let committed = sink.committed();
    assert_eq!(committed.checkpoint.unwrap().journal_id, id(14));
    assert_eq!(
        committed.book,
        reader.with(|journal| journal.fold(id(14), &[]))
    );
}

#[test]
fn a_journal_that_is_away_is_tried_again() {
    let (reader, sink) = (MemoryReader::new(), MemorySink::default());
    reader.with(|journal| journal.is_away = true);
    let mut follower = follower(&reader, &sink);
    let Step::Retry(reason) = follower.step() else {
        panic!("it must be tried again")
    };
    assert!(reason.contains("away"), "{reason}");
    reader.with(|journal| journal.is_away = false);
    assert!(matches!(follower.step(), Step::AtHead));
}

#[test]
fn memory_sink_applies_all_of_a_batch_or_nothing() {
    let mut sink = MemorySink::default();
    let epoch = Epoch::generate();
    let checkpoint = Checkpoint {
        epoch,
        journal_id: id(1),
        digest: Digest::genesis(epoch),
    };
    sink.with(|store| store.fault = Some(Fault::RollBack));
    let batch = Batch {
        items: &[],
        parked: &[],
        resolved: &[],
        checkpoint,
    };
    assert!(sink.apply(&batch).is_err());
    assert!(sink.checkpoint().unwrap().is_none());
}
