//! Bits flip, tails are cut: what comes of it is the truth, or is named.

use crate::support::{Fixture, Journal};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use testkit::file_fault::{self, Fault};
use timestore::{Options, Timestore};

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// It does not open, and says why.
    Refused,
    /// Its own check names the damage.
    Found,
    /// It is at an earlier entry, and follows from there.
    Earlier,
    /// It is as it was.
    Whole,
}

async fn outcome(dir: &Path, truth: &Value, fault: &Fault) -> Outcome {
    let clock: Arc<dyn journal::Clock> = Arc::new(journal::SystemClock);
    let timestore = match Timestore::open(Options::new(dir, clock)) {
        Ok(timestore) => timestore,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return Outcome::Refused;
        }
    };
    let router = crate::support::router(&timestore);
    let integrity = crate::support::get(&router, "/filestore/integrity").await;
    let outcome = if integrity.status != 200 || integrity.json()["ok"] != json!(true) {
        Outcome::Found
    } else {
        let digest = crate::support::get(&router, "/filestore/digest")
            .await
            .json();
        if digest == *truth {
            Outcome::Whole
        } else {
            assert!(
                digest["journalId"].as_u64() < truth["journalId"].as_u64(),
                "unnoticed: {fault}: {digest} is not {truth}"
            );
            Outcome::Earlier
        }
    };
    timestore.close();
    outcome
}

async fn all(
    store: &Path,
    seeds: std::ops::Range<u64>,
    truth: &Value,
    make: impl Fn(&Path, u64) -> Fault,
) -> BTreeMap<Outcome, usize> {
    let mut outcomes = BTreeMap::new();
    let dir = tempfile::tempdir().unwrap();
    for seed in seeds {
        let copy = file_fault::copy_store(store, dir.path());
        let fault = make(&copy, seed);
        *outcomes
            .entry(outcome(dir.path(), truth, &fault).await)
            .or_default() += 1;
    }
    outcomes
}

fn log_of(store: &Path) -> PathBuf {
    let mut log = store.as_os_str().to_owned();
    log.push(".wal");
    PathBuf::from(log)
}

#[tokio::test]
async fn a_flipped_bit_or_a_cut_tail_is_named_or_heals_by_following() {
    let fixture = Fixture::new();
    let mut journal = Journal::new();
    for id in 1..=400_i64 {
        let data = json!({
            "backendMountId": 1, "nodeId": id, "path": format!("directory/file-{id}"),
            "kind": "file", "state": "active", "parentId": null, "version": 1, "sizeBytes": id,
            "checksum": null, "contentHash": null, "metadata": {"a": id}, "command": "test",
            "idempotencyKey": null, "principal": null, "observedAt": "2026-03-01T12:00:00.000Z",
            "sizeDelta": id,
        });
        journal.push("filestore.node.created", Some(id), id, data);
    }
    let mut sink = fixture.timestore.sink();
    for at in 0..20 {
        journal.apply(&mut sink, at * 20, at * 20 + 20).unwrap();
    }
    let truth = fixture.get("/filestore/digest").await.json();
    assert_eq!(truth["rows"], 400);
    let store = fixture.dir.path().join("timestore.duckdb");
    let killed_dir = tempfile::tempdir().unwrap();
    let killed = file_fault::copy_store(&store, killed_dir.path());
    drop(sink);
    fixture.timestore.close();

    let flipped = all(&store, 0..60, &truth, file_fault::flip_bit).await;
    let cut = all(&store, 0..15, &truth, file_fault::cut_tail).await;
    assert_eq!(cut.get(&Outcome::Earlier), None, "{cut:?}");
    let log_flipped = all(&killed, 0..40, &truth, |store, seed| {
        file_fault::flip_bit(&log_of(store), seed)
    })
    .await;
    let log_cut = all(&killed, 0..25, &truth, |store, seed| {
        file_fault::cut_tail(&log_of(store), seed)
    })
    .await;
    let named = |outcomes: &BTreeMap<Outcome, usize>| {
        let count = |outcome| outcomes.get(&outcome).copied().unwrap_or_default();
        count(Outcome::Refused) + count(Outcome::Found) + count(Outcome::Earlier)
    };
    let shown = format!("{flipped:?} {cut:?} {log_flipped:?} {log_cut:?}");
    assert!(named(&flipped) > 5 && named(&log_flipped) > 20, "{shown}");
    assert!(named(&log_cut) > 20, "{shown}");
}
