//! Databases of earlier versions: what they hold is there, and they go on.

use crate::support::{Fixture, Tree, at};
use axum::http::Method;
use feed::{DeadLetter, Sink as _};
use journal::{JournalId, JournalReader as _};
use serde_json::json;
use std::sync::Arc;
use tempfile::TempDir;

const VERSION_0_1_0: &str = include_str!("before/0.1.0.sql");
const EPOCH: &str = "0192f0e4-7a5b-7c3d-8e9f-0123456789ab";
const LARGE: i128 = 6_917_529_027_641_081_856;

fn opened() -> Fixture {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("timestore.duckdb");
    let connection = duckdb::Connection::open(path).unwrap();
    connection.execute_batch(VERSION_0_1_0).unwrap();
    connection.close().unwrap();
    // So that what comes next is summed at once.
    Fixture::open(Arc::new(dir), |options| options.growth_tail_entries = 1)
}

#[tokio::test]
async fn the_checkpoint_and_the_dead_letters_of_0_1_0_are_kept() {
    let fixture = opened();
    let mut sink = fixture.timestore.sink();
    let checkpoint = sink.checkpoint().unwrap().unwrap();
    assert_eq!(checkpoint.epoch.to_string(), EPOCH);
    assert_eq!(checkpoint.journal_id, JournalId::new(5));
    assert_eq!(checkpoint.digest.to_string(), "5f".repeat(32));
    let letter = DeadLetter {
        journal_id: JournalId::new(4),
        event_type: "filestore.node.updated".to_owned(),
        data: r#"{"nodeId":1}"#.to_owned(),
        reason: "it lacks a path".to_owned(),
        parked_at: at("2026-03-02T12:00:00Z"),
        attempts: 3,
    };
    assert_eq!(sink.dead_letters(JournalId::ZERO, 9).unwrap(), vec![letter]);
    let digest = fixture.get("/filestore/digest").await.json();
    assert_eq!(
        (&digest["journalId"], &digest["rows"]),
        (&json!(5), &json!(4))
    );
    assert_eq!(digest["digest"], json!("5f".repeat(32)));
    let again = fixture.reopened();
    assert_eq!(again.get("/filestore/digest").await.json(), digest);
}

#[tokio::test]
async fn questions_to_a_database_of_0_1_0_are_answered_and_its_sums_go_on_in_more_bits() {
    let fixture = opened();
    let series = fixture.get("/filestore/growth").await.rows("series");
    let of = |series: &[serde_json::Value], name: &str| -> serde_json::Value {
        series.iter().map(|point| point[name].clone()).collect()
    };
    let small = i64::try_from(LARGE + 10).unwrap();
    assert_eq!(of(&series, "bytesAdded"), json!([small, 15, 0]));
    assert_eq!(
        of(&series, "totalBytes"),
        json!([small, small + 15, small + 15])
    );
    assert_eq!(of(&series, "changes"), json!([2, 1, 1]));
    for (path, rows, count) in [
        ("/filestore/churn?groupBy=node", "rows", 2),
        ("/filestore/top", "rows", 2),
        ("/filestore/as-of?at=2026-03-02T12:00:00Z", "nodes", 2),
        ("/filestore/nodes/1/timeline", "rows", 3),
    ] {
        assert_eq!(fixture.get(path).await.rows(rows).len(), count, "{path}");
    }
    let place = json!({"path": "docs/a", "previous_path": "a"});
    let sql = "SELECT path, previous_path FROM filestore_activity WHERE journal_id = 5";
    assert_eq!(fixture.sql(sql).await, [place]);

    // Two more files that are as large, so that one hour has more bytes than 64 bits.
    let mut tree = Tree::new();
    tree.journal.epoch = EPOCH.parse().unwrap();
    for name in ["1", "2", "3", "4", "5"] {
        tree.file(name, 1);
    }
    tree.at("2026-03-01T12:30:00Z");
    tree.next_node = 10;
    tree.file("second", i64::try_from(LARGE).unwrap());
    tree.file("third", i64::try_from(LARGE).unwrap());
    let mut sink = fixture.timestore.sink();
    let head = tree.journal.position().unwrap().head.get();
    tree.journal.apply(&mut sink, 5, head).unwrap();
    let series = fixture.get("/filestore/growth").await.rows("series");
    assert_eq!(series[0]["bytesAdded"], json!((LARGE * 3 + 10).to_string()));
    assert_eq!(series[0]["files"], json!(4));
    let again = fixture.reopened();
    assert_eq!(again.get("/filestore/growth").await.rows("series"), series);
}

#[tokio::test]
async fn usage_of_a_database_of_0_1_0_is_the_same_from_its_first_sums() {
    let fixture = opened();
    let usage = async |fixture: &Fixture| {
        let mut answers = Vec::new();
        for at in ["", "&at=2026-03-02T12:00:00Z", "&at=2026-03-01T12:00:00Z"] {
            let path = format!("/filestore/usage?by=mount,extension{at}");
            answers.push(fixture.get(&path).await.rows("rows"));
        }
        answers
    };
    let from_rows = usage(&fixture).await;
    assert!(!from_rows[0].is_empty());
    fixture.timestore.sum_usage().unwrap();
    assert_eq!(usage(&fixture).await, from_rows);
    let again = fixture.reopened();
    assert_eq!(usage(&again).await, from_rows);
}

#[tokio::test]
async fn datasets_retention_and_saved_statements_of_0_1_0_are_kept_and_can_be_changed() {
    let fixture = opened();
    let datasets = fixture.get("/admin/datasets").await.rows("datasets");
    let shown: Vec<_> = datasets
        .iter()
        .map(|it| json!([it["slug"], it["status"], it["metadata"], it["rows"]]))
        .collect();
    assert_eq!(
        json!(shown),
        json!([
            ["filestore_activity", "active", {}, 4],
            ["sensors", "active", {}, 3]
        ])
    );
    assert_eq!(datasets[1]["updatedAt"], "2026-03-02T00:00:00.000Z");
    let detail = fixture.get("/admin/datasets/sensors").await.json();
    assert_eq!(detail["partitions"].as_array().unwrap().len(), 2);

    let path = "/admin/datasets/sensors/retention";
    let retention = fixture.get(path).await.json();
    for (name, value) in [
        ("maxAgeHours", json!(87_600)),
        ("updatedBy", json!("ada")),
        ("partitionsDropped", json!(3)),
        ("rowsDropped", json!(7)),
        ("policy", json!(null)),
    ] {
        assert_eq!(retention[name], value, "{name}");
    }
    let saved = fixture.get("/sql/saved?limit=1").await;
    assert_eq!(saved.rows("savedQueries")[0]["id"], "weekly");
    let cursor = saved.json()["nextCursor"].as_str().unwrap().to_owned();
    let saved = fixture.get(&format!("/sql/saved?cursor={cursor}")).await;
    assert_eq!(
        saved.rows("savedQueries"),
        [
            json!({"id": "daily", "statement": "SELECT 1", "label": "a label",
            "stats": {"rowCount": 1}, "createdBy": "ada", "createdAt": "2026-03-01T00:00:00.000Z",
            "updatedAt": "2026-03-02T00:00:00.000Z"})
        ]
    );

    // Each of these changes a row that was there before.
    let json = &[("content-type", "application/json")];
    let put = fixture.call(Method::PUT, path, json, r#"{"maxAgeHours": 24}"#);
    let retention = put.await.json();
    assert_eq!(
        (&retention["maxAgeHours"], &retention["partitionsDropped"]),
        (&json!(24), &json!(4)),
        "{retention}"
    );
    let patch = r#"{"description": "of the roof"}"#;
    let dataset = fixture.call(Method::PATCH, "/admin/datasets/sensors", json, patch);
    let dataset = dataset.await.json();
    assert_eq!(dataset["dataset"]["description"], "of the roof");
    let body = json!({
        "schema": {"fields": [{"name": "at", "type": "timestamp"}, {"name": "unit", "type": "string"}]},
        "partition": {"key": "new", "timeRange":
            {"start": "2026-06-01T00:00:00Z", "end": "2026-06-02T00:00:00Z"}},
        "rows": [{"at": "2026-06-01T01:00:00Z", "unit": "K"}],
    });
    let answer = fixture.post("/datasets/sensors/ingest", &body).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let again = fixture.reopened();
    let rows = again
        .sql("SELECT value, unit FROM sensors ORDER BY \"at\"")
        .await;
    assert_eq!(
        rows,
        [
            json!({"value": 1.5, "unit": null}),
            json!({"value": null, "unit": null}),
            json!({"value": null, "unit": "K"})
        ]
    );
}
