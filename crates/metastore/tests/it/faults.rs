//! What fails, and that nothing is then half done.

use crate::support::{Journal, Served, options};
use feed::{DeadLetter, Sink as _, SinkError};
use journal::{JournalId, Time};
use metastore::Metastore;
use serde_json::json;

#[tokio::test]
async fn a_batch_takes_effect_whole_or_not_at_all() {
    let served = Served::start().await;
    let mut journal = served.journal();
    journal.node("created", 1, "good", json!({}));
    let poison = journal.node("created", 2, "bad", json!({"sizeBytes": -1}));
    journal.node("created", 3, "good too", json!({}));
    let entries = journal.entries.clone();
    match journal.try_apply(&[], &[]) {
        Err(SinkError::Poison { journal_id, reason }) => {
            assert_eq!(journal_id, poison);
            assert!(reason.contains("size_bytes"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(journal.sink.checkpoint().unwrap(), None);
    assert!(served.keys(json!({"namespace": "*"})).await.is_empty());

    // The consumer parks it and applies the rest, in one batch.
    let letter = |attempts| DeadLetter {
        journal_id: poison,
        event_type: "filestore.node.created".to_owned(),
        data: entries[1].data.get().to_owned(),
        reason: "a size below zero".to_owned(),
        parked_at: Time::from_millis(5),
        attempts,
    };
    let rest = [entries[0].clone(), entries[2].clone()];
    let mut checkpoint = journal.checkpoint;
    (checkpoint.journal_id, checkpoint.digest) = (entries[2].id, entries[2].digest);
    journal
        .apply_entries(&rest, &[letter(1)], &[], checkpoint)
        .unwrap();
    assert_eq!(journal.sink.checkpoint().unwrap(), Some(checkpoint));
    assert_eq!(journal.sink.dead_letter_count().unwrap(), 1);
    assert_eq!(
        journal.sink.dead_letters(JournalId::ZERO, 10).unwrap(),
        [letter(1)]
    );
    assert!(journal.sink.dead_letters(poison, 10).unwrap().is_empty());
    let mut keys = served.keys(json!({"namespace": "filestore"})).await;
    keys.sort();
    assert_eq!(keys, ["1", "3"]);

    // Parked again it counts another try; discarded it is gone, twice without an error.
    journal
        .apply_entries(&[], &[letter(2)], &[], checkpoint)
        .unwrap();
    assert_eq!(
        journal.sink.dead_letters(JournalId::ZERO, 10).unwrap(),
        [letter(2)]
    );
    for _ in 0..2 {
        journal
            .apply_entries(&[], &[], &[poison], checkpoint)
            .unwrap();
        assert_eq!(journal.sink.dead_letter_count().unwrap(), 0);
    }
}

#[tokio::test]
async fn a_restart_goes_on_from_the_checkpoint_with_everything_there() {
    let dir = tempfile::tempdir().unwrap();
    let metastore = Metastore::open(options(dir.path())).unwrap();
    let mut journal = Journal::new(metastore.sink().unwrap());
    journal.node("created", 1, "a", json!({}));
    journal.apply();
    let (checkpoint, digest) = (journal.checkpoint, metastore.content_digest().unwrap());
    // Dropped without being told to close, as a crash would.
    drop((journal, metastore));
    let metastore = Metastore::open(options(dir.path())).unwrap();
    let mut journal = Journal::new(metastore.sink().unwrap());
    assert_eq!(journal.checkpoint, checkpoint);
    assert_eq!(metastore.content_digest().unwrap(), digest);
    journal.node("updated", 1, "a", json!({"sizeBytes": 5}));
    journal.apply();
    assert_ne!(metastore.content_digest().unwrap(), digest);
}

#[tokio::test]
async fn a_full_disk_is_told_and_nothing_is_half_done() {
    let dir = tempfile::tempdir().unwrap();
    let mut bounded = options(dir.path());
    bounded.max_size_bytes = Some(256 << 10);
    let served = Served::with(bounded, None).await;
    let mut journal = served.journal();
    journal.node("created", 1, "small", json!({}));
    journal.apply();
    let before = journal.checkpoint;
    for id in 2..2_000 {
        let fields = json!({"metadata": {"pad": "x".repeat(400)}});
        journal.node("created", id, &format!("f{id}"), fields);
    }
    match journal.try_apply(&[], &[]) {
        Err(error @ SinkError::Unavailable(..)) => {
            assert!(error.to_string().contains("full"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(journal.sink.checkpoint().unwrap(), Some(before));
    let search = json!({"namespace": "filestore"});
    assert_eq!(served.keys(search.clone()).await, ["1"]);

    let big = json!({"metadata": {"pad": "x".repeat(600 << 10)}});
    let answer = served.put("/records/n/k", big).await;
    assert_eq!(answer.problem(), (507, "storage_full", ""));
    served.get("/records/n/k").await.expect(404);
    assert_eq!(served.keys(search).await, ["1"], "reads go on");
}

#[tokio::test]
async fn a_damaged_store_stops_the_consumer() {
    let dir = tempfile::tempdir().unwrap();
    let metastore = Metastore::open(options(dir.path())).unwrap();
    let mut journal = Journal::new(metastore.sink().unwrap());
    for id in 1..500 {
        journal.node("created", id, &format!("dir/{id}"), json!({}));
    }
    journal.apply();
    drop(journal);
    metastore.close();
    let path = dir.path().join("metastore.db");
    let mut bytes = std::fs::read(&path).unwrap();
    // What was written last are the nodes; the schema and the small tables stay as they are.
    let half = bytes.len() / 2;
    bytes[half..].fill(0xA5);
    std::fs::write(&path, bytes).unwrap();
    let metastore = Metastore::open(options(dir.path())).unwrap();
    let mut journal = Journal::new(metastore.sink().unwrap());
    for id in 1..500 {
        journal.node("updated", id, &format!("dir/{id}"), json!({}));
    }
    match journal.try_apply(&[], &[]) {
        Err(SinkError::Damaged(reason, _)) => assert!(reason.contains("malformed"), "{reason}"),
        other => panic!("{other:?}"),
    }
}
