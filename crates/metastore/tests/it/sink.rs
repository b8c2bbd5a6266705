//! What journal entries do to the book.

use crate::support::Served;
use feed::Sink as _;

use serde_json::{Value, json};

async fn node(served: &Served, key: &str) -> Value {
    served.record("filestore", key).await["metadata"]["filestore"].clone()
}

#[tokio::test]
async fn a_node_shows_all_that_its_entry_says() {
    let served = Served::start().await;
    let mut journal = served.journal();
    journal.node(
        "created",
        7,
        "docs/a.txt",
        json!({
            "parentId": 3, "version": 2, "sizeBytes": 123, "checksum": "sha256:ab",
            "contentHash": "sha256:cd", "metadata": {"k": [1, {"x": null}]}, "command": "uploadFile",
            "principal": "ada", "lastModifiedAt": "2025-05-31T23:59:59.000Z", "backendMountId": 4,
            "fileType": "regular", "uid": 1000, "gid": 100, "user": "ada", "group": "users",
            "mode": 420, "links": 2, "allocatedBytes": 4096, "extension": "txt",
            "changedAt": "2025-05-31T23:59:59.500Z", "changed": ["mode", "attributes"],
            "storageClass": "STANDARD_IA",
            "attributes": {"acl": "user::rw-,user:7:r--,group::r--,mask::r--,other::r--"},
            "accessedAt": "2025-05-20T00:00:00.000Z", "linkTarget": "../b c",
            "objectTags": {"project": "apollo"},
        }),
    );
    journal.apply();
    let record = served.record("filestore", "7").await;
    assert_eq!(
        (&record["version"], &record["deletedAt"]),
        (&json!(1), &Value::Null)
    );
    assert_eq!(
        (&record["tags"], &record["createdBy"]),
        (&json!([]), &json!("filestore-sync"))
    );
    assert_eq!(record["createdAt"], "2025-06-01T00:00:00.000Z");
    assert_eq!(
        record["metadata"],
        json!({"filestore": {
            "backendMountId": 4, "path": "docs/a.txt", "kind": "file", "state": "active",
            "parentId": 3, "version": 2, "sizeBytes": 123, "checksum": "sha256:ab",
            "contentHash": "sha256:cd", "nodeMetadata": {"k": [1, {"x": null}]},
            "observedAt": "2025-06-01T00:00:00.000Z",
            "lastModifiedAt": "2025-05-31T23:59:59.000Z", "journalId": 1,
            "command": "uploadFile", "principal": "ada", "consistencyState": "active",
            "consistencyCheckedAt": null, "lastReconciledAt": null, "reconciliationReason": null,
            "previousState": null, "previousPath": null, "quarantineReason": null,
            "fileType": "regular", "uid": 1000, "gid": 100, "user": "ada", "group": "users",
            "mode": 420, "links": 2, "allocatedBytes": 4096, "extension": "txt",
            "changedAt": "2025-05-31T23:59:59.500Z", "storageClass": "STANDARD_IA",
            "attributes": {"acl": "user::rw-,user:7:r--,group::r--,mask::r--,other::r--"},
            "accessedAt": "2025-05-20T00:00:00.000Z", "linkTarget": "../b c",
            "objectTags": {"project": "apollo"},
        }})
    );
    for (q, expected) in [
        ("user:ada", 1),
        ("user:1000 group:users mode:644", 1),
        ("allocated:>4k", 0),
        ("links:>1 fileType:regular", 1),
        ("mode:755", 0),
        ("storageClass:STANDARD_IA", 1),
        ("filestore.attributes.acl:*user:7:*", 1),
        ("filestore.attributes.acl:*user:8:*", 0),
        ("accessed:2025-05", 1),
        ("accessed:>2025-05-21", 0),
        ("linktarget:\"../b c\"", 1),
        ("filestore.linkTarget:elsewhere", 0),
        ("filestore.objectTags.project:apollo", 1),
    ] {
        let search = json!({"namespace": "*", "q": q});
        assert_eq!(served.keys(search).await.len(), expected, "{q}");
    }
    let by_path = served
        .get("/records/by-path?backendMountId=4&path=docs/a.txt")
        .await;
    assert_eq!(by_path.expect(200)["record"], record);
    served
        .get("/records/by-path?backendMountId=1&path=docs/a.txt")
        .await
        .expect(404);
}

#[tokio::test]
async fn a_tag_an_owner_and_the_history_survive_a_move_of_the_directory() {
    let served = Served::start().await;
    let mut journal = served.journal();
    journal.node("created", 1, "old", json!({"kind": "directory"}));
    journal.node("uploaded", 2, "old/a", json!({"parentId": 1}));
    journal.apply();
    let patch = json!({"tags": {"add": ["keep"]}, "owner": "ada", "metadata": {"why": "audit"}});
    let before = served
        .patch("/records/filestore/2", patch)
        .await
        .expect(200)["record"]
        .clone();

    journal.node(
        "moved",
        1,
        "new",
        json!({"kind": "directory", "previousPath": "old"}),
    );
    journal.node(
        "moved",
        2,
        "new/a",
        json!({"parentId": 1, "previousPath": "old/a", "version": 2}),
    );
    journal.apply();
    let after = served.record("filestore", "2").await;
    for field in ["tags", "owner", "version", "updatedAt", "updatedBy"] {
        assert_eq!(after[field], before[field], "{field}");
    }
    assert_eq!(after["metadata"]["why"], "audit");
    let node = &after["metadata"]["filestore"];
    assert_eq!(
        (&node["path"], &node["previousPath"]),
        (&json!("new/a"), &json!("old/a"))
    );
    let audit = served.get("/records/filestore/2/audit").await.expect(200);
    assert_eq!(audit["pagination"]["total"], 1);
    let found = served
        .get("/records/by-path?backendMountId=1&path=new/a")
        .await
        .expect(200);
    assert_eq!(found["record"]["key"], "2");

    // The version that the person read before the move still holds.
    let patch = json!({"owner": "bob", "expectedVersion": before["version"]});
    served
        .patch("/records/filestore/2", patch)
        .await
        .expect(200);
}

#[tokio::test]
async fn what_was_shown_may_be_sent_back_and_changes_nothing_of_the_nodes() {
    let served = Served::start().await;
    let mut journal = served.journal();
    journal.node("created", 1, "a", json!({}));
    journal.apply();
    let shown = served.record("filestore", "1").await["metadata"].clone();
    let mut metadata = shown.clone();
    metadata["mine"] = json!(1);
    let put = served
        .put("/records/filestore/1", json!({"metadata": metadata}))
        .await
        .expect(200);
    assert_eq!(put["record"]["metadata"]["mine"], 1);
    assert_eq!(put["record"]["metadata"]["filestore"], shown["filestore"]);

    journal.node("updated", 1, "a", json!({"sizeBytes": 99}));
    journal.apply();
    let late = served
        .put("/records/filestore/1", json!({"metadata": metadata}))
        .await;
    assert_eq!(
        late.expect(200)["record"]["metadata"]["filestore"]["sizeBytes"],
        99
    );

    let mut forged = served.record("filestore", "1").await["metadata"].clone();
    forged["filestore"]["path"] = json!("elsewhere");
    let refused = served
        .put("/records/filestore/1", json!({"metadata": forged}))
        .await;
    assert_eq!(
        refused.problem(),
        (400, "invalid_request", "/metadata/filestore")
    );
    let patch = json!({"metadata": {"filestore": {"path": "elsewhere"}}});
    served
        .patch("/records/filestore/1", patch)
        .await
        .expect(400);
    assert_eq!(node(&served, "1").await["path"], "a");
}

#[tokio::test]
async fn the_two_parts_of_a_deletion_are_apart() {
    let served = Served::start().await;
    let mut journal = served.journal();
    for id in [1, 2] {
        journal.node("created", id, &format!("f{id}"), json!({}));
    }
    journal.apply();
    served
        .patch("/records/filestore/1", json!({"tags": {"add": ["t"]}}))
        .await
        .expect(200);
    served.delete("/records/filestore/2").await.expect(200);

    let at = "2025-07-01T00:00:00.000Z";
    for id in [1, 2] {
        journal.node("deleted", id, &format!("f{id}"), json!({"observedAt": at}));
    }
    journal.apply();
    let gone = served.record("filestore", "1").await;
    assert_eq!(
        (&gone["deletedAt"], &gone["tags"]),
        (&json!(at), &json!(["t"]))
    );
    assert_eq!(gone["metadata"]["filestore"]["state"], "deleted");
    served.get("/records/filestore/1").await.expect(404);
    for answer in [
        served
            .send(reqwest::Method::POST, "/records/filestore/1/restore", None)
            .await,
        served
            .put("/records/filestore/1", json!({"metadata": {}}))
            .await,
        served
            .patch("/records/filestore/1", json!({"owner": "x"}))
            .await,
    ] {
        assert_eq!(answer.problem().0, 409);
        assert!(
            answer.body["detail"]
                .as_str()
                .unwrap()
                .contains("filestore"),
            "{}",
            answer.body
        );
    }

    // The node is back: the sync lifts its part, and leaves the person's.
    for id in [1, 2] {
        journal.node(
            "reconciled",
            id,
            &format!("f{id}"),
            json!({"previousState": "deleted"}),
        );
    }
    journal.apply();
    let back = served.record("filestore", "1").await;
    assert_eq!(
        (&back["deletedAt"], &back["tags"]),
        (&Value::Null, &json!(["t"]))
    );
    assert!(served.record("filestore", "2").await["deletedAt"].is_string());
    served
        .send(reqwest::Method::POST, "/records/filestore/2/restore", None)
        .await
        .expect(200);
    served.get("/records/filestore/2").await.expect(200);
}

#[tokio::test]
async fn a_drift_retried_after_a_newer_entry_changes_nothing() {
    let served = Served::start().await;
    let mut journal = served.journal();
    journal.node("created", 1, "a", json!({}));
    let drift = json!({"backendMountId": 1, "nodeId": 1, "path": "a", "reason": "watch",
                       "detectedAt": "2025-06-02T00:00:00.000Z"});
    let parked = journal.append("filestore.drift.detected", drift.clone());
    journal.node("reconciled", 1, "a", json!({}));
    let letter = journal.entries.remove(1);
    journal.apply();
    let checkpoint = journal.checkpoint;
    journal
        .apply_entries(&[letter], &[], &[parked], checkpoint)
        .unwrap();
    assert_eq!(node(&served, "1").await["consistencyState"], "active");
    // A drift seen since says something new.
    journal.append("filestore.drift.detected", drift);
    journal.apply();
    assert_eq!(node(&served, "1").await["consistencyState"], "inconsistent");
}

#[tokio::test]
async fn a_missing_node_keeps_its_record_and_a_reconciled_one_says_why() {
    let served = Served::start().await;
    let mut journal = served.journal();
    journal.node(
        "created",
        1,
        "a",
        json!({"command": "scan", "principal": "p"}),
    );
    journal.append(
        "filestore.drift.detected",
        json!({"backendMountId": 1, "nodeId": 1, "path": "a", "reason": "watch",
               "detectedAt": "2025-06-02T00:00:00.000Z"}),
    );
    journal.append(
        "filestore.drift.detected",
        json!({"backendMountId": 1, "nodeId": 99, "path": "unknown", "reason": "watch",
               "detectedAt": "2025-06-02T00:00:00.000Z"}),
    );
    journal.apply();
    assert_eq!(node(&served, "1").await["consistencyState"], "inconsistent");
    journal.node(
        "missing",
        1,
        "a",
        json!({"previousState": "active", "reason": "drift"}),
    );
    journal.apply();
    served.get("/records/filestore/1").await.expect(200);
    let missing = node(&served, "1").await;
    assert_eq!(
        (&missing["state"], &missing["previousState"]),
        (&json!("missing"), &json!("active"))
    );
    assert_eq!(missing["reconciliationReason"], "drift");
    assert_eq!(
        missing["command"], "scan",
        "the last command is still known"
    );

    let fields = json!({"previousState": "missing", "previousPath": "a",
                        "lastReconciledAt": "2025-06-03T00:00:00.000Z"});
    journal.node("reconciled", 1, "b", fields);
    journal.apply();
    let back = node(&served, "1").await;
    assert_eq!(
        (&back["state"], &back["consistencyState"]),
        (&json!("active"), &json!("active"))
    );
    assert_eq!(
        (&back["path"], &back["previousPath"]),
        (&json!("b"), &json!("a"))
    );
    assert_eq!(back["lastReconciledAt"], "2025-06-03T00:00:00.000Z");
}

#[tokio::test]
async fn an_older_entry_never_undoes_a_newer_state() {
    let served = Served::start().await;
    let mut journal = served.journal();
    journal.node("created", 1, "a", json!({"sizeBytes": 1}));
    journal.node("updated", 1, "b", json!({"sizeBytes": 2}));
    journal.node("created", 2, "c", json!({}));
    let mut entries = std::mem::take(&mut journal.entries);
    // The first two and the creation of node 2 are parked, the newest state of node 1 is applied.
    journal.node(
        "moved",
        1,
        "z",
        json!({"sizeBytes": 3, "previousPath": "b"}),
    );
    entries.append(&mut journal.entries);
    let checkpoint = journal.checkpoint;
    let newest = entries.pop().unwrap();
    journal
        .apply_entries(&[newest], &[], &[], checkpoint)
        .unwrap();
    // Each is retried in an order of its own.
    entries.reverse();
    for entry in entries {
        let resolved = [entry.id];
        journal
            .apply_entries(&[entry], &[], &resolved, checkpoint)
            .unwrap();
    }
    let first = node(&served, "1").await;
    assert_eq!(
        (&first["path"], &first["sizeBytes"]),
        (&json!("z"), &json!(3))
    );
    assert_eq!(
        node(&served, "2").await["path"],
        "c",
        "what was missing is filled in"
    );
}

#[tokio::test]
async fn types_that_say_nothing_of_nodes_only_move_the_checkpoint() {
    let served = Served::start().await;
    let mut journal = served.journal();
    journal.append(
        "filestore.command.completed",
        json!({"command": "x", "backendMountId": 1, "nodeId": 5, "path": "a", "result": {},
               "idempotencyKey": null, "principal": null, "observedAt": "2025-06-01T00:00:00.000Z"}),
    );
    journal.append(
        "filestore.node.downloaded",
        json!({"backendMountId": 1, "nodeId": 5, "path": "a", "mode": "stream",
               "observedAt": "2025-06-01T00:00:00.000Z"}),
    );
    journal.append("filestore.of.a.later.version", json!({"anything": true}));
    journal.apply();
    assert_eq!(journal.sink.checkpoint().unwrap(), Some(journal.checkpoint));
    assert!(served.keys(json!({"namespace": "*"})).await.is_empty());
}

#[tokio::test]
async fn a_persons_write_and_the_sink_take_turns() {
    let served = Served::start().await;
    let mut journal = served.journal();
    for id in 1..=50 {
        journal.node("created", id, &format!("f{id}"), json!({}));
    }
    journal.apply();
    let sync = std::thread::spawn(move || {
        for round in 0..200 {
            for id in 1..=50 {
                journal.node(
                    "updated",
                    id,
                    &format!("f{id}"),
                    json!({"sizeBytes": round}),
                );
            }
            journal.apply();
        }
    });
    for n in 0..100 {
        let patch = json!({"metadata": {"n": n}, "expectedVersion": n + 1});
        served
            .patch("/records/filestore/1", patch)
            .await
            .expect(200);
    }
    sync.join().unwrap();
    let record = served.record("filestore", "1").await;
    assert_eq!(
        (&record["version"], &record["metadata"]["n"]),
        (&json!(101), &json!(99))
    );
    assert_eq!(record["metadata"]["filestore"]["sizeBytes"], 199);
}

#[tokio::test]
async fn a_purged_record_of_a_live_node_begins_again_empty() {
    let served = Served::start().await;
    let mut journal = served.journal();
    journal.node("created", 1, "a", json!({}));
    journal.node("created", 2, "b", json!({}));
    journal.node("deleted", 2, "b", json!({}));
    journal.apply();
    let path = "/records/filestore/1";
    served
        .put(path, json!({"metadata": {"x": 1}, "tags": ["t"]}))
        .await
        .expect(200);
    served.delete(&format!("{path}/purge")).await.expect(200);
    let record = served.get(path).await.expect(200)["record"].clone();
    assert_eq!(
        (&record["version"], &record["tags"]),
        (&json!(1), &json!([]))
    );
    assert_eq!(record["metadata"]["filestore"]["path"], "a");
    assert_eq!(
        served.get(&format!("{path}/audit")).await.expect(200)["pagination"]["total"],
        0
    );

    // The record of a deleted node is gone, until the node comes back.
    served
        .delete("/records/filestore/2/purge")
        .await
        .expect(200);
    served
        .get("/records/filestore/2?includeDeleted=true")
        .await
        .expect(404);
    journal.node("reconciled", 2, "b", json!({}));
    journal.apply();
    served.get("/records/filestore/2").await.expect(200);
}
