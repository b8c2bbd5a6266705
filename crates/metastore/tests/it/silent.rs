//! Nodes that nobody has said anything about: they have no row in `records`, and are shown, found,
//! counted and written to as if they had one.

use crate::support::{Served, keys, options};
use metastore::{Options, RuleSet, Rules, RulesConfig};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::path::Path;

fn rows(dir: &Path) -> Vec<String> {
    let db = Connection::open(dir.join("metastore.db")).unwrap();
    let mut rows = db.prepare("SELECT key FROM records ORDER BY id").unwrap();
    let rows = rows.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

fn with_rules(dir: &Path, rules: Value) -> Options {
    let config: RulesConfig = serde_json::from_value(rules).unwrap();
    Options {
        rules: Rules::Configured(RuleSet::new(config).unwrap()),
        ..options(dir)
    }
}

const LATER: &str = "2025-06-02T00:00:00.000Z";

#[tokio::test]
async fn the_first_write_makes_the_row_and_changes_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::with(options(dir.path()), None).await;
    let mut journal = served.journal();
    for id in 1..=6 {
        journal.node("created", id, &format!("f{id}"), json!({}));
    }
    journal.apply();
    for id in 1..=3 {
        let path = format!("f{id}");
        journal.node(
            "updated",
            id,
            &path,
            json!({"observedAt": LATER, "sizeBytes": 11}),
        );
    }
    journal.node("moved", 4, "d/f4", json!({"observedAt": LATER}));
    journal.node("deleted", 5, "f5", json!({"observedAt": LATER}));
    journal.apply();
    assert_eq!(rows(dir.path()), [""; 0]);
    let made = "2025-06-01T00:00:00.000Z";
    for id in 1..=6 {
        let record = served.record("filestore", &id.to_string()).await;
        for (field, value) in [
            ("version", json!(1)),
            ("createdAt", json!(made)),
            ("updatedAt", json!(made)),
            ("createdBy", json!("filestore-sync")),
            ("updatedBy", json!("filestore-sync")),
            ("tags", json!([])),
            ("owner", Value::Null),
        ] {
            assert_eq!(record[field], value, "{field} of {id}");
        }
    }
    let before = served.record("filestore", "1").await;
    served.get("/records/other/1").await.expect(404);
    served.get("/records/filestore/01").await.expect(404);
    served.get("/records/filestore/7").await.expect(404);

    // What says nothing makes no row.
    let same =
        json!({"metadata": {"filestore": before["metadata"]["filestore"]}, "expectedVersion": 1});
    let put = served.put("/records/filestore/1", same).await.expect(200);
    assert_eq!(put["idempotent"], true);
    let post =
        json!({"namespace": "filestore", "key": "1", "metadata": {"a": 1}, "idempotencyKey": "k"});
    for _ in 0..2 {
        let there = served.post("/records", post.clone()).await.expect(200);
        assert_eq!(there["created"], false);
    }
    let audit = served.get("/records/filestore/1/audit").await.expect(200);
    assert_eq!(audit["entries"], json!([]));
    assert_eq!(rows(dir.path()), [""; 0]);

    let stale = json!({"owner": "ada", "expectedVersion": 2});
    assert_eq!(
        served.patch("/records/filestore/1", stale).await.status,
        409
    );
    let patch = json!({"owner": "ada", "expectedVersion": 1});
    let after = served
        .patch("/records/filestore/1", patch)
        .await
        .expect(200)["record"]
        .clone();
    assert_eq!(
        (&after["version"], &after["owner"]),
        (&json!(2), &json!("ada"))
    );
    for field in ["createdAt", "createdBy", "metadata", "namespace", "key"] {
        assert_eq!(after[field], before[field], "{field}");
    }
    assert_eq!(served.record("filestore", "1").await, after);
    let audit = served.get("/records/filestore/1/audit").await.expect(200);
    assert_eq!(audit["entries"][0]["previousVersion"], 1);
    served.delete("/records/filestore/2").await.expect(200);
    served.get("/records/filestore/2").await.expect(404);
    served
        .post("/records/filestore/2/restore", json!({}))
        .await
        .expect(200);
    assert_eq!(served.record("filestore", "2").await["version"], 3);
    let bulk = json!({"operations": [
        {"namespace": "filestore", "key": "4", "metadata": {"a": 1}, "expectedVersion": 1}]});
    served.post("/records/bulk", bulk).await.expect(200);
    assert_eq!(served.record("filestore", "4").await["createdAt"], made);
    assert_eq!(rows(dir.path()), ["1", "2", "4"]);

    // A purge takes the row, and the record of a node that is there begins again.
    for key in ["1", "3", "5"] {
        let path = format!("/records/filestore/{key}/purge");
        served.delete(&path).await.expect(200);
    }
    assert_eq!(rows(dir.path()), ["2", "4"]);
    for key in ["1", "3"] {
        let again = served.record("filestore", key).await;
        assert_eq!(
            (&again["version"], &again["owner"]),
            (&json!(1), &Value::Null)
        );
        assert_eq!(again["createdBy"], "filestore-sync");
        assert!(again["createdAt"].as_str().unwrap() > "2026-01-01");
        assert_eq!(again["createdAt"], again["updatedAt"]);
    }
    served
        .get("/records/filestore/5?includeDeleted=true")
        .await
        .expect(404);
    assert!(served.metastore.check_integrity().unwrap().ok);
}

#[tokio::test]
async fn pages_neither_lose_nor_repeat_what_gets_a_row_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let rules = json!({"rules": [{"match": {"pathGlob": "moved/**"}, "namespace": "moved"}]});
    let served = Served::with(with_rules(dir.path(), rules), None).await;
    let mut journal = served.journal();
    for id in 1..=40 {
        journal.node(
            "created",
            id,
            &format!("f/{id}"),
            json!({"sizeBytes": id % 5}),
        );
    }
    journal.apply();
    for key in ["a", "b", "c"] {
        let path = format!("/records/people/{key}");
        served.put(&path, json!({"metadata": {}})).await.expect(201);
    }
    for key in ["7", "20"] {
        let path = format!("/records/filestore/{key}");
        served
            .patch(&path, json!({"owner": "ada"}))
            .await
            .expect(200);
    }
    let latest = served.keys(json!({"namespace": "*", "limit": 1000})).await;
    let nodes = (1..=40).rev().map(|id| id.to_string());
    let nodes = nodes.filter(|key| key != "7" && key != "20");
    let spoken = ["20", "7", "c", "b", "a"].map(str::to_owned);
    assert_eq!(latest, spoken.into_iter().chain(nodes).collect::<Vec<_>>());
    for offset in [0_u64, 3, 5, 6, 20, 41, 42, 43, 44, 1 << 40] {
        let page = json!({"namespace": "*", "limit": 3, "offset": offset});
        let page = served.post("/records/search", page).await.expect(200);
        let keys = keys(&page);
        let from = usize::try_from(offset).unwrap().min(latest.len());
        let to = (from + 3).min(latest.len());
        assert_eq!(keys, latest[from..to], "{offset}");
        assert_eq!(page["pagination"]["total"], 43, "{offset}");
    }
    let asc = |field: &str| json!([{"field": field, "direction": "asc"}]);
    let mut next = 0;
    for sort in [
        Value::Null,
        asc("createdAt"),
        asc("metadata.filestore.sizeBytes"),
        asc("createdBy"),
    ] {
        let mut search = json!({"namespace": "*", "limit": 1000});
        if !sort.is_null() {
            search["sort"] = sort;
        }
        let all = served.keys(search.clone()).await;
        search["limit"] = json!(4);
        let (mut seen, mut written) = (Vec::<String>::new(), Vec::new());
        while let Some(page) = served.next_keys(&mut search).await {
            seen.extend(page);
            // Nobody writes to one that moves: it gets a row, and stays in its place.
            next = next % 40 + 1;
            journal.node(
                "moved",
                next,
                &format!("moved/{next}"),
                json!({"sizeBytes": next % 5}),
            );
            journal.apply();
            // A person's write takes a record to the front of the newest.
            let key = (41 - next).to_string();
            let path = format!("/records/filestore/{key}");
            if served
                .patch(&path, json!({"tags": {"add": [seen.len().to_string()]}}))
                .await
                .status
                == 200
            {
                written.push(key);
            }
        }
        let still = |keys: &[String]| -> Vec<String> {
            let keys = keys.iter().filter(|key| !written.contains(key));
            keys.cloned().collect()
        };
        assert_eq!(still(&seen), still(&all), "{search}");
    }
    assert!(rows(dir.path()).len() > 20);
    assert!(served.metastore.check_integrity().unwrap().ok);
}

#[tokio::test]
async fn namespaces_count_what_has_a_row_and_what_has_none() {
    let dir = tempfile::tempdir().unwrap();
    let rules = json!({"rules": [
        {"match": {"pathGlob": "a/**"}, "namespace": "a"},
        {"match": {"pathGlob": "skipped/**"}, "action": "skip"},
    ]});
    let served = Served::with(with_rules(dir.path(), rules), None).await;
    let mut journal = served.journal();
    for id in 1..=9 {
        let place = ["a", "b", "skipped"][id % 3];
        journal.node("created", id as i64, &format!("{place}/{id}"), json!({}));
    }
    journal.node("deleted", 3, "a/3", json!({"observedAt": LATER}));
    journal.node("moved", 4, "skipped/4", json!({}));
    journal.apply();
    served
        .patch("/records/a/6", json!({"owner": "ada"}))
        .await
        .expect(200);
    served
        .put("/records/a/x", json!({"metadata": {}}))
        .await
        .expect(201);
    served
        .put("/records/c/x", json!({"metadata": {}}))
        .await
        .expect(201);
    served.delete("/records/c/x").await.expect(200);
    let listed = served.get("/namespaces").await.expect(200)["namespaces"].clone();
    let counts: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            (
                it["name"].as_str().unwrap(),
                &it["totalRecords"],
                &it["deletedRecords"],
            )
        })
        .collect();
    assert_eq!(
        counts,
        [
            ("a", &json!(4), &json!(1)),
            ("c", &json!(1), &json!(1)),
            ("filestore", &json!(3), &json!(1))
        ]
    );
    assert_eq!(listed[2]["lastUpdatedAt"], "2025-06-01T00:00:00.000Z");
    assert_eq!(
        listed[0]["ownerCounts"],
        json!([{"owner": "ada", "count": 1}])
    );
    for (namespace, expected) in [("a", 3), ("c", 0), ("filestore", 2), ("none", 0), ("*", 5)] {
        let search = json!({"namespace": namespace, "limit": 100});
        assert_eq!(served.keys(search).await.len(), expected, "{namespace}");
        let search = json!({"namespace": "*", "q": format!("ns:{namespace}"), "limit": 100});
        let expected = if namespace == "*" { 5 } else { expected };
        assert_eq!(served.keys(search).await.len(), expected, "ns:{namespace}");
    }
    let none = json!({"namespace": "a", "q": "ns:filestore"});
    assert_eq!(served.keys(none).await, [""; 0]);
    for (q, expected) in [
        ("key:6", &["6"][..]),
        ("key:x", &["x"]),
        ("key:9", &["9"]),
        ("key:1", &["1"]),
        ("key:2", &[]),
    ] {
        let search = json!({"namespace": "*", "q": q});
        assert_eq!(served.keys(search).await, expected, "{q}");
    }
}

#[tokio::test]
async fn a_large_namespace_is_listed_newest_first_from_an_index() {
    let dir = tempfile::tempdir().unwrap();
    let rules = json!({"rules": [{"match": {"pathGlob": "big/**"}, "namespace": "big"}]});
    let served = Served::with(with_rules(dir.path(), rules), None).await;
    let mut journal = served.journal();
    for id in 1..=2_600 {
        let place = if id % 100 == 0 { "small" } else { "big" };
        journal.node("created", id, &format!("{place}/{id}"), json!({}));
    }
    journal.apply();
    served
        .patch("/records/big/7", json!({"owner": "ada"}))
        .await
        .expect(200);
    let nodes = (1..=2_600).rev().filter(|id| id % 100 != 0 && *id != 7);
    let expected = std::iter::once(7).chain(nodes).map(|id| id.to_string());
    let mut search = json!({"namespace": "big", "limit": 1000, "explain": true});
    let mut keys = Vec::new();
    loop {
        let page = served
            .post("/records/search", search.clone())
            .await
            .expect(200);
        let plan = page["explain"]["plan"].to_string();
        assert!(plan.contains("filestore_nodes_namespace"), "{plan}");
        assert!(!plan.contains("SCAN n"), "{plan}");
        let records = page["records"].as_array().unwrap().iter();
        keys.extend(records.map(|it| it["key"].as_str().unwrap().to_owned()));
        search["cursor"] = page["pagination"]["nextCursor"].clone();
        if search["cursor"].is_null() {
            break;
        }
    }
    assert_eq!(keys, expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn an_untouched_record_moves_with_its_audit_and_meets_what_a_person_made_there() {
    let dir = tempfile::tempdir().unwrap();
    let rules = json!({"rules": [{"match": {"pathGlob": "a/**"}, "namespace": "a"}]});
    let served = Served::with(with_rules(dir.path(), rules), None).await;
    let mut journal = served.journal();
    journal.node("created", 1, "b/1", json!({}));
    journal.node("created", 2, "b/2", json!({}));
    journal.apply();
    let theirs = json!({"metadata": {"theirs": 1}, "tags": ["t"]});
    served.put("/records/a/2", theirs).await.expect(201);
    for id in 1..=2 {
        let fields = json!({"previousPath": format!("b/{id}"), "observedAt": LATER});
        journal.node("moved", id, &format!("a/{id}"), fields);
    }
    journal.apply();
    let moved = served.record("a", "1").await;
    assert_eq!(
        (&moved["version"], &moved["createdAt"]),
        (&json!(1), &json!("2025-06-01T00:00:00.000Z"))
    );
    let audit = served.get("/records/a/1/audit").await.expect(200);
    assert_eq!(audit["entries"][0]["action"], "move");
    assert_eq!(audit["entries"][0]["previousNamespace"], "filestore");
    let one = served.record("a", "2").await;
    assert_eq!((&one["version"], &one["tags"]), (&json!(2), &json!(["t"])));
    assert_eq!(one["metadata"]["theirs"], 1);
    served
        .get("/records/filestore/1?includeDeleted=true")
        .await
        .expect(404);
    assert!(served.metastore.check_integrity().unwrap().ok);
}
