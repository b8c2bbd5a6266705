//! Bits flip, tails are cut: what comes of it is the truth, or is named, and a rebuild heals.

use crate::support::{Journal, Served, options};
use feed::rebuild::{Base, NewBook};
use feed::{Checkpoint, Sink as _};
use journal::{Digest, JournalId, NodeState};
use metastore::{BookDigest, Metastore};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use testkit::file_fault::{self, Fault};

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// It does not open, and says why.
    Refused,
    /// Its own check names the damage.
    Found,
    /// It tells its nodes otherwise than filestore does, which is how `verify` finds it.
    Differs,
    /// It is as it was.
    Whole,
}

fn outcome(dir: &Path, truth: &BookDigest, fault: &Fault) -> Outcome {
    let metastore = match Metastore::open(options(dir)) {
        Ok(metastore) => metastore,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return Outcome::Refused;
        }
    };
    let outcome = match metastore.check_integrity() {
        Ok(integrity) if integrity.ok => {
            let digest = metastore.digest();
            let digest = digest.unwrap_or_else(|error| panic!("unnoticed: {fault}: {error}"));
            assert_eq!(
                (&digest.people, digest.records),
                (&truth.people, truth.records),
                "unnoticed: {fault}"
            );
            if digest == *truth {
                Outcome::Whole
            } else {
                Outcome::Differs
            }
        }
        Ok(_) | Err(_) => Outcome::Found,
    };
    metastore.close();
    outcome
}

/// A served book with nodes and what people wrote, and its entries.
async fn made(dir: &Path) -> (Served, Journal, Vec<journal::Entry>) {
    let served = Served::with(options(dir), None).await;
    let mut journal = served.journal();
    for id in 1..=120 {
        let fields = json!({"metadata": {"a": id}, "sizeBytes": id, "command": "scan"});
        journal.node("created", id, &format!("directory/file-{id}"), fields);
    }
    journal.node("deleted", 7, "directory/file-7", json!({}));
    let entries = journal.entries.clone();
    journal.apply();
    for id in 1..=40 {
        let body = json!({"owner": "ada", "tags": {"set": [format!("tag-{id}")]},
            "metadata": {"note": "x".repeat(id)}});
        let answer = served
            .patch(&format!("/records/filestore/{id}"), body)
            .await;
        assert_eq!(answer.status, if id == 7 { 409 } else { 200 });
    }
    (served, journal, entries)
}

fn all(
    store: &Path,
    seeds: std::ops::Range<u64>,
    truth: &BookDigest,
    make: impl Fn(&Path, u64) -> Fault,
) -> BTreeMap<Outcome, usize> {
    let mut outcomes = BTreeMap::new();
    let dir = tempfile::tempdir().unwrap();
    for seed in seeds {
        let copy = file_fault::copy_store(store, dir.path());
        let fault = make(&copy, seed);
        *outcomes
            .entry(outcome(dir.path(), truth, &fault))
            .or_default() += 1;
    }
    outcomes
}

fn log_of(store: &Path) -> PathBuf {
    let mut log = store.as_os_str().to_owned();
    log.push("-wal");
    PathBuf::from(log)
}

#[tokio::test]
async fn a_flipped_bit_or_a_cut_tail_is_named_or_changes_nothing_that_people_wrote() {
    let dir = tempfile::tempdir().unwrap();
    let (served, journal, _) = made(dir.path()).await;
    let truth = served.metastore.digest().unwrap();
    assert!(served.metastore.check_integrity().unwrap().ok);
    let store = dir.path().join("metastore.db");
    let killed = file_fault::copy_store(&store, &dir.path().join("killed"));
    drop(journal);
    served.metastore.close();

    let flipped = all(&store, 0..120, &truth, file_fault::flip_bit);
    assert!(flipped[&Outcome::Found] > 10, "{flipped:?}");
    let cut = all(&store, 0..30, &truth, file_fault::cut_tail);
    assert_eq!(cut.get(&Outcome::Whole), None, "{cut:?}");
    let flipped = all(&killed, 0..80, &truth, |store, seed| {
        file_fault::flip_bit(&log_of(store), seed)
    });
    assert!(flipped[&Outcome::Refused] > 20, "{flipped:?}");
    let cut = all(&killed, 0..40, &truth, |store, seed| {
        file_fault::cut_tail(&log_of(store), seed)
    });
    assert!(cut[&Outcome::Refused] > 30, "{cut:?}");
}

/// What a rebuild of the whole book does, without a consumer.
fn rebuild(journal: &mut Journal, entries: &[journal::Entry]) {
    let (epoch, head) = (journal.checkpoint.epoch, journal.checkpoint);
    let new = NewBook {
        base: Base::Empty,
        checkpoint: Checkpoint {
            epoch,
            journal_id: JournalId::ZERO,
            digest: Digest::genesis(epoch),
        },
        is_same_history: true,
    };
    let rebuild = journal.sink.begin_rebuild(new).unwrap();
    let events: Vec<_> = entries.iter().map(|entry| entry.event().unwrap()).collect();
    let items: Vec<_> = entries
        .iter()
        .zip(&events)
        .map(|(entry, event)| feed::Item::of(entry, event))
        .collect();
    let batch = feed::Batch {
        items: &items,
        parked: &[],
        resolved: &[],
        checkpoint: head,
    };
    journal.sink.fill_rebuild(&rebuild, &batch).unwrap();
    journal.sink.finish_rebuild(&rebuild, head).unwrap();
}

#[tokio::test]
async fn a_rebuild_heals_what_the_sync_wrote_and_leaves_what_people_wrote() {
    let dir = tempfile::tempdir().unwrap();
    let (served, mut journal, entries) = made(dir.path()).await;
    let truth = served.metastore.digest().unwrap();
    let node_before = served.record("filestore", "9").await;
    let damage = [
        "UPDATE filestore_nodes SET path = 'elsewhere', size_bytes = 3 WHERE node_id = 9",
        "UPDATE filestore_nodes SET command = 'nobody', principal = 'x' WHERE node_id = 9",
        "UPDATE filestore_nodes SET state = 'deleted', deleted_at = 5 WHERE node_id = 10",
        "DELETE FROM filestore_nodes WHERE node_id BETWEEN 20 AND 30",
        "UPDATE filestore_nodes SET node_id = 5000 WHERE node_id = 31",
        "UPDATE filestore_nodes SET record_id = NULL WHERE node_id = 32",
        "UPDATE filestore_nodes SET journal_id = 90000 WHERE node_id = 33",
        "UPDATE filestore_nodes SET record_id = -node_id WHERE node_id IN (34, 35)",
    ];
    let store = dir.path().join("metastore.db");
    for statement in damage {
        let db = rusqlite::Connection::open(&store).unwrap();
        db.pragma_update(None, "foreign_keys", false).unwrap();
        db.execute_batch(statement).unwrap();
        drop(db);
        rebuild(&mut journal, &entries);
        assert_eq!(served.metastore.digest().unwrap(), truth, "{statement}");
        assert!(
            served.metastore.check_integrity().unwrap().ok,
            "{statement}"
        );
    }
    assert_eq!(served.record("filestore", "9").await, node_before);
    let gone = served.record("filestore", "7").await;
    let state = NodeState::Deleted.as_str();
    assert_eq!(gone["metadata"]["filestore"]["state"], state);
}

#[tokio::test]
async fn who_wrote_what_in_the_audit_and_when_is_noticed_if_it_is_not_what_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let (served, _journal, _) = made(dir.path()).await;
    assert!(served.metastore.check_integrity().unwrap().ok);
    let db = rusqlite::Connection::open(dir.path().join("metastore.db")).unwrap();
    let damage = [
        "UPDATE record_audit SET at = at + 1 WHERE id = 3",
        "UPDATE record_audit SET actor = 'somebody else' WHERE id = 4",
        "UPDATE record_audit SET action = 'delete' WHERE id = 5",
    ];
    for (count, statement) in damage.iter().enumerate() {
        db.execute_batch(statement).unwrap();
        let found = served.metastore.check_integrity().unwrap().findings;
        assert_eq!(found.len(), count + 1, "{found:?}");
        let named = format!("write {} in the audit", count + 3);
        assert!(
            found.iter().any(|it| it.detail.starts_with(&named)),
            "{found:?}"
        );
    }
    // A write of an older version has no hash, and is not judged by one.
    db.execute_batch("UPDATE record_audit SET sum = NULL WHERE id = 3")
        .unwrap();
    assert_eq!(
        served.metastore.check_integrity().unwrap().findings.len(),
        2
    );
}
