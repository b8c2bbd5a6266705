//! A database of an earlier version: today's code brings it over and loses nothing of it.
//!
//! `before/format_3.sql` was made by version 0.1.0 (format 3): two tags, owners, metadata, a record
//! that moved into a namespace, a file that moved, one that was deleted, a soft-deleted record, rules
//! that were put by REST, a dead letter.

use crate::support::{Served, options};
use feed::Sink as _;
use journal::JournalId;
use metastore::Metastore;
use rusqlite::Connection;
use serde_json::{Value, json};
use std::path::Path;

const FORMAT_3: &str = include_str!("before/format_3.sql");
/// The steps from there to today's format.
const STEPS: &[&str] = &[
    include_str!("../../src/sql/004_purges.sql"),
    include_str!("../../src/sql/005_names.sql"),
    include_str!("../../src/sql/006_requests_schemas.sql"),
    include_str!("../../src/sql/007_facts.sql"),
    include_str!("../../src/sql/008_names_anew.sql"),
    include_str!("../../src/sql/009_attributes.sql"),
    include_str!("../../src/sql/010_people_only.sql"),
    include_str!("../../src/sql/011_more_facts.sql"),
];

/// As that version told it (`GET /filestore/digest`).
const EPOCH: &str = "7afd0b53-225b-413c-b536-d986421cff5d";
const DIGEST: &str = "dc3056707d38a9b3e33980f6627c4141116a8d62f81cf38cc05da14944b67087";
const CONTENT: &str = "28c99122f1b7f0a48cc01eef55daaead8dd9df9e0cf3c5c34c91d3dce01580ba";
const PEOPLE: &str = "b6a895b381a8545a9e8d8b62eed404a14f152f0534cf4b5ff99205f70959ec82";

/// The old database, with the first so many steps done.
fn old(dir: &Path, steps: usize) {
    let file = Connection::open(dir.join("metastore.db")).unwrap();
    file.pragma_update(None, "foreign_keys", false).unwrap();
    file.execute_batch(FORMAT_3).unwrap();
    for (version, step) in (4..).zip(&STEPS[..steps]) {
        file.execute_batch(step).unwrap();
        file.pragma_update(None, "user_version", version).unwrap();
    }
}

#[track_caller]
fn assert_is_whole(metastore: &Metastore) {
    let digest = serde_json::to_value(metastore.digest().unwrap()).unwrap();
    assert_eq!(
        digest,
        json!({"journalId": 16, "epoch": EPOCH, "digest": DIGEST, "content": CONTENT,
               "nodes": 10, "people": PEOPLE, "records": 6})
    );
    let findings = metastore.check_integrity().unwrap();
    assert!(findings.findings.is_empty(), "{findings:?}");
    let mut sink = metastore.sink().unwrap();
    let checkpoint = sink.checkpoint().unwrap().unwrap();
    assert_eq!(checkpoint.journal_id, JournalId::new(16));
    let letters = sink.dead_letters(JournalId::ZERO, 10).unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].reason, "a size below zero");
    assert_eq!(letters[0].attempts, 2);
}

#[tokio::test]
async fn all_that_people_wrote_in_format_3_is_found() {
    let dir = tempfile::tempdir().unwrap();
    old(dir.path(), 0);
    let served = Served::with(options(dir.path()), None).await;
    assert_is_whole(&served.metastore);
    for (q, expected) in [
        ("tag:gold", &["7"][..]),
        ("tags:team/**", &["7"]),
        ("owner:ada", &["7", "apollo"]),
        ("project:apollo stage:2", &["7"]),
        ("pi:3.141592653589793", &["7"]),
        ("costCentre:7 ns:finance", &["8"]),
        ("plan", &["7"]),
        ("docs ext:txt", &["7"]),
        ("\u{17e}ofie", &["11"]),
        ("path:media/take-1.mov tag:moved owner:bob", &["10"]),
        ("budget.eur:100", &["apollo"]),
        ("tag:of-a-deleted-file", &[]),
        ("owner:eve", &[]),
    ] {
        let mut keys = served.keys(json!({"namespace": "*", "q": q})).await;
        keys.sort();
        assert_eq!(keys, expected, "{q}");
    }
    for (q, expected) in [("tag:of-a-deleted-file", "6"), ("owner:eve", "gone")] {
        let search = json!({"namespace": "*", "q": q, "includeDeleted": true});
        assert_eq!(served.keys(search).await, [expected], "{q}");
    }
    let moved = json!({"namespace": "*", "filter": {"field": "metadata.filestore.previousPath",
                       "operator": "eq", "value": "media/raw/take-1.mov"}});
    assert_eq!(served.keys(moved).await, ["10"]);
    let audit = served.get("/records/filestore/7/audit").await.expect(200);
    let versions = audit["entries"].as_array().unwrap().iter();
    let versions: Vec<_> = versions.map(|entry| entry["version"].clone()).collect();
    assert_eq!(versions, [3, 2]);
    let rules = served.get("/namespace-rules").await.expect(200);
    assert_eq!(rules["rules"][0]["match"]["pathGlob"], "finance/**");
}

#[tokio::test]
async fn what_was_begun_in_format_3_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    old(dir.path(), 0);
    let served = Served::with(options(dir.path()), None).await;
    // Sent again: it was made, whatever has become of its key.
    let body = json!({"namespace": "projects", "key": "apollo", "metadata": {"budget": {"eur": 100}},
                      "tags": ["space"], "owner": "ada", "idempotencyKey": "made-once"});
    let again = served.post("/records", body).await.expect(200);
    assert_eq!(
        (&again["created"], &again["idempotent"]),
        (&json!(false), &json!(true))
    );
    // A hash from before there were schemas stays, and no other record gets it.
    let body = json!({"metadata": {"stage": 3}});
    let record = served.patch("/records/filestore/7", body).await.expect(200)["record"].clone();
    assert_eq!(
        (&record["schemaHash"], &record["version"]),
        (&json!("before-schemas"), &json!(4))
    );
    let other = json!({"metadata": {}, "schemaHash": "before-schemas"});
    let other = served.put("/records/projects/other", other).await;
    assert_eq!(other.problem().2, "/schemaHash");
    served
        .post("/records/projects/gone/restore", json!({}))
        .await
        .expect(200);
    let purged: Value = served
        .delete("/records/projects/gone/purge")
        .await
        .expect(200);
    assert_eq!(purged["record"]["metadata"], json!({"was": "here"}));
    let mut journal = served.journal();
    journal.node("updated", 7, "docs/plan.txt", json!({"version": 2}));
    journal.apply();
    let plan = json!({"namespace": "filestore", "q": "plan tag:gold"});
    assert_eq!(served.keys(plan).await, ["7"]);
}

/// What a row of `records` says: who made it, and when.
type Row = (String, String, i64, i64, i64, Option<String>);

fn rows(dir: &Path) -> Vec<Row> {
    let db = Connection::open(dir.join("metastore.db")).unwrap();
    let sql = "SELECT namespace, key, version, created_at, updated_at, created_by FROM records \
               ORDER BY id";
    let mut rows = db.prepare(sql).unwrap();
    let rows = rows.query_map([], |row| {
        let name = (row.get(0)?, row.get(1)?);
        let times = (row.get(3)?, row.get(4)?);
        Ok((name.0, name.1, row.get(2)?, times.0, times.1, row.get(5)?))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

#[tokio::test]
async fn what_nobody_wrote_to_gives_up_its_row_and_is_shown_as_before() {
    let dir = tempfile::tempdir().unwrap();
    old(dir.path(), 6);
    let db = Connection::open(dir.path().join("metastore.db")).unwrap();
    // A record is older than the last entry of its node; one was shown to a request that is kept; one
    // is of no node; one was made by a person who said nothing.
    db.execute_batch(
        "UPDATE filestore_nodes SET observed_at = observed_at + 5000 WHERE node_id = 11;
         INSERT INTO kept_requests (id, scope, key, request, created_at)
         VALUES (1, 'filestore', 'k', zeroblob(32), 1796040712453);
         INSERT INTO kept_answers VALUES (1, 0, 9, '{}');
         INSERT INTO records (id, namespace, key, created_at, updated_at, created_by, updated_by)
         VALUES (20, 'filestore', '77', 5, 5, 'filestore-sync', 'filestore-sync');
         UPDATE records SET created_by = 'ada', updated_by = 'ada' WHERE id = 4;",
    )
    .unwrap();
    drop(db);
    let before = rows(dir.path());
    let served = Served::with(options(dir.path()), None).await;
    let left = rows(dir.path());
    let left: Vec<_> = left.iter().map(|row| row.1.as_str()).collect();
    assert_eq!(
        left,
        ["4", "6", "7", "8", "9", "10", "apollo", "gone", "77"]
    );
    for (namespace, key, version, created_at, updated_at, created_by) in before {
        let record = served.record(&namespace, &key).await;
        let time = |name: &str| -> i64 {
            let time: journal::Time = record[name].as_str().unwrap().parse().unwrap();
            time.as_millis()
        };
        assert_eq!(record["version"], version, "{key}");
        assert_eq!(
            (time("createdAt"), time("updatedAt")),
            (created_at, updated_at),
            "{key}"
        );
        assert_eq!(record["createdBy"], json!(created_by), "{key}");
    }
    let all = json!({"namespace": "*", "includeDeleted": true, "limit": 100});
    assert_eq!(served.keys(all).await.len(), 14);
    // The first thing that is said makes the row.
    let body = json!({"owner": "ada", "expectedVersion": 1});
    let record = served
        .patch("/records/filestore/11", body)
        .await
        .expect(200)["record"]
        .clone();
    assert_eq!(record["version"], 2);
    assert_eq!(record["createdAt"], "2026-11-30T12:11:51.247Z");
    assert!(rows(dir.path()).iter().any(|row| row.1 == "11"));
    assert!(served.metastore.check_integrity().unwrap().ok);
}

#[test]
fn it_may_be_opened_twice_and_after_a_crash_between_any_two_steps() {
    for steps in 0..=STEPS.len() {
        let dir = tempfile::tempdir().unwrap();
        old(dir.path(), steps);
        for _ in 0..2 {
            let metastore = Metastore::open(options(dir.path())).unwrap();
            assert_is_whole(&metastore);
            metastore.close();
        }
    }
}

/// A process that dies within a step leaves it undone: each step is one transaction.
#[test]
fn a_step_that_was_not_committed_is_done_again() {
    for (done, step) in STEPS.iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        old(dir.path(), done);
        let mut file = Connection::open(dir.path().join("metastore.db")).unwrap();
        let transaction = file.transaction().unwrap();
        transaction.execute_batch(step).unwrap();
        drop(transaction);
        drop(file);
        let metastore = Metastore::open(options(dir.path())).unwrap();
        assert_is_whole(&metastore);
        metastore.close();
    }
}
