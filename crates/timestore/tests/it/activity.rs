//! Which row each type of entry becomes.

use crate::support::{Fixture, Journal};
use serde_json::{Value, json};
use timestore::activity::COLUMNS;

/// The columns, as the contract lists them, then ours on top.
const CONTRACT: &str = "observed_at TIMESTAMP, event_type VARCHAR, node_id BIGINT, \
    backend_mount_id BIGINT, path VARCHAR, state VARCHAR, consistency_state VARCHAR, \
    size_bytes BIGINT, size_delta BIGINT, journal_id BIGINT, command VARCHAR, principal VARCHAR, \
    reconciliation_reason VARCHAR, metadata_json VARCHAR, \
    kind VARCHAR, parent_id BIGINT, version BIGINT, previous_path VARCHAR, command_id VARCHAR, \
    duration_ms BIGINT, ingested_at TIMESTAMP, file_delta BIGINT, previous_backend_mount_id BIGINT, \
    file_type VARCHAR, uid BIGINT, gid BIGINT, user_name VARCHAR, group_name VARCHAR, mode BIGINT, \
    links BIGINT, allocated_bytes BIGINT, changed_at TIMESTAMP, modified_at TIMESTAMP, \
    extension VARCHAR, storage_class VARCHAR, changed VARCHAR, previous_uid BIGINT, \
    previous_gid BIGINT, previous_user_name VARCHAR, previous_group_name VARCHAR, \
    accessed_at TIMESTAMP";

#[tokio::test]
async fn the_table_has_the_columns_of_the_contract() {
    let listed: Vec<_> = COLUMNS
        .iter()
        .map(|(name, kind)| format!("{name} {kind}"))
        .collect();
    assert_eq!(listed.join(", "), CONTRACT);
    let fixture = Fixture::new();
    let tables = fixture.get("/sql/schema").await.rows("tables");
    let names: Vec<_> = tables.iter().map(|table| &table["name"]).collect();
    assert_eq!(names, ["filestore_activity", "filestore_dead_letters"]);
    let columns: Vec<_> = tables[0]["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| {
            format!(
                "{} {}",
                column["name"].as_str().unwrap(),
                column["type"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(columns.join(", "), CONTRACT);
}

/// Applies one entry and gives its row without what is NULL.
async fn row(event_type: &str, node_id: Option<i64>, size_delta: i64, data: Value) -> Value {
    let fixture = Fixture::new();
    let mut journal = Journal::new();
    journal.push(event_type, node_id, size_delta, data);
    journal.apply_all(&mut fixture.timestore.sink());
    let rows = fixture.sql("SELECT * FROM filestore_activity").await;
    assert_eq!(rows.len(), 1, "one row an entry");
    let row = rows[0].as_object().unwrap();
    assert_eq!(row.len(), COLUMNS.len());
    assert_eq!(row["ingested_at"], json!("2026-06-01T00:00:00.000Z"));
    let kept = row
        .iter()
        .filter(|(name, value)| !value.is_null() && *name != "ingested_at");
    kept.map(|(name, value)| (name.clone(), value.clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn node_data() -> Value {
    json!({
        "backendMountId": 3, "nodeId": 42, "path": "a/ü \"x\".txt", "kind": "file", "state": "active",
        "parentId": 7, "version": 2, "sizeBytes": 120, "checksum": "sha256:00", "contentHash": null,
        "metadata": {"b": 1, "a": {"c": [true]}}, "command": "uploadFile", "idempotencyKey": "key",
        "principal": "ann", "observedAt": "2026-03-01T12:00:00.250Z", "commandId": "c-1",
        "previousPath": "a/old.txt", "previousSizeBytes": 100, "sizeDelta": 20,
        "lastModifiedAt": "2026-02-01T00:00:00.000Z", "unknown": "ignored",
    })
}

#[tokio::test]
async fn a_node_entry_is_a_whole_row() {
    let row = row("filestore.node.uploaded", Some(42), 20, node_data()).await;
    assert_eq!(
        row,
        json!({
            "observed_at": "2026-03-01T12:00:00.250Z", "event_type": "filestore.node.uploaded",
            "node_id": 42, "backend_mount_id": 3, "path": "a/ü \"x\".txt", "state": "active",
            "size_bytes": 120, "size_delta": 20, "journal_id": 1, "command": "uploadFile",
            "principal": "ann", "kind": "file", "parent_id": 7, "version": 2,
            "previous_path": "a/old.txt", "command_id": "c-1", "file_delta": 0,
            "modified_at": "2026-02-01T00:00:00.000Z", "extension": "txt",
            "metadata_json": "{\"metadata\":{\"a\":{\"c\":[true]},\"b\":1},\"checksum\":\"sha256:00\",\
                \"idempotencyKey\":\"key\"}",
        })
    );
}

#[tokio::test]
async fn an_apphub_entry_without_our_fields_is_taken() {
    let mut data = node_data();
    for ours in [
        "commandId",
        "previousPath",
        "previousSizeBytes",
        "sizeDelta",
        "lastModifiedAt",
    ] {
        data.as_object_mut().unwrap().remove(ours);
    }
    data["metadata"] = json!({});
    (data["checksum"], data["idempotencyKey"]) = (Value::Null, Value::Null);
    let row = row("filestore.node.created", Some(42), 0, data).await;
    assert_eq!(
        (&row["size_delta"], &row["file_delta"]),
        (&json!(0), &json!(1))
    );
    assert_eq!(row.get("metadata_json"), None, "an empty object is NULL");
    assert_eq!(row.get("command_id"), None);
}

#[tokio::test]
async fn a_reconciled_node_tells_its_consistency_and_reason() {
    let row = row(
        "filestore.node.missing",
        Some(42),
        -120,
        json!({
            "backendMountId": 3, "nodeId": 42, "path": "a", "kind": "file", "state": "missing",
            "parentId": null, "version": 3, "sizeBytes": null, "checksum": null, "contentHash": null,
            "metadata": {}, "consistencyState": "missing",
            "consistencyCheckedAt": "2026-03-01T12:00:00.000Z", "lastReconciledAt": null,
            "previousState": "active", "reason": "drift", "observedAt": "2026-03-01T12:00:00.000Z",
            "previousSizeBytes": 120, "sizeDelta": -120,
        }),
    )
    .await;
    assert_eq!(
        row,
        json!({
            "observed_at": "2026-03-01T12:00:00.000Z", "event_type": "filestore.node.missing",
            "node_id": 42, "backend_mount_id": 3, "path": "a", "state": "missing",
            "consistency_state": "missing", "size_delta": -120, "journal_id": 1,
            "reconciliation_reason": "drift", "kind": "file", "version": 3, "file_delta": -1,
        })
    );
}

#[tokio::test]
async fn a_command_tells_its_result_and_duration() {
    let row = row(
        "filestore.command.completed",
        Some(42),
        0,
        json!({
            "command": "moveNode", "backendMountId": 3, "nodeId": 42, "path": "a",
            "idempotencyKey": null, "principal": "ann", "result": {"moved": 2},
            "observedAt": "2026-03-01T12:00:00.000Z", "commandId": "c-1", "durationMs": 17,
            "nodesChanged": 2,
        }),
    )
    .await;
    assert_eq!(
        row,
        json!({
            "observed_at": "2026-03-01T12:00:00.000Z", "event_type": "filestore.command.completed",
            "node_id": 42, "backend_mount_id": 3, "path": "a", "journal_id": 1,
            "command": "moveNode", "principal": "ann", "command_id": "c-1", "duration_ms": 17,
            "metadata_json": "{\"result\":{\"moved\":2},\"nodesChanged\":2}",
        })
    );
}

#[tokio::test]
async fn drifts_jobs_and_downloads_are_rows_without_a_version() {
    let drift = row(
        "filestore.drift.detected",
        Some(1),
        0,
        json!({"backendMountId": 3, "nodeId": 1, "path": "a", "reason": "size differs",
            "detectedAt": "2026-03-01T12:00:00.000Z", "reporter": "watch", "metadata": {"x": 1}}),
    )
    .await;
    assert_eq!(
        drift,
        json!({"observed_at": "2026-03-01T12:00:00.000Z", "event_type": "filestore.drift.detected",
            "node_id": 1, "backend_mount_id": 3, "path": "a", "journal_id": 1, "principal": "watch",
            "reconciliation_reason": "size differs", "metadata_json": "{\"metadata\":{\"x\":1}}"})
    );
    let job = row(
        "filestore.reconciliation.job.failed",
        None,
        0,
        json!({"id": 9, "jobKey": "k", "backendMountId": 3, "nodeId": null, "path": "a",
            "reason": "manual", "status": "failed", "detectChildren": true, "requestedHash": false,
            "attempt": 2, "result": null, "error": {"message": "gone"},
            "enqueuedAt": "2026-03-01T11:00:00.000Z", "startedAt": null, "completedAt": null,
            "durationMs": 5, "updatedAt": "2026-03-01T12:00:00.000Z"}),
    )
    .await;
    assert_eq!(
        job,
        json!({"observed_at": "2026-03-01T12:00:00.000Z",
            "event_type": "filestore.reconciliation.job.failed", "backend_mount_id": 3, "path": "a",
            "journal_id": 1, "reconciliation_reason": "manual", "duration_ms": 5,
            "metadata_json":
                "{\"jobId\":9,\"status\":\"failed\",\"attempt\":2,\"error\":{\"message\":\"gone\"}}"})
    );
    let download = row(
        "filestore.node.downloaded",
        Some(1),
        0,
        json!({"backendMountId": 3, "nodeId": 1, "path": "a", "sizeBytes": 10, "checksum": null,
            "contentHash": null, "principal": "ann", "mode": "stream", "range": "bytes=0-1",
            "observedAt": "2026-03-01T12:00:00.000Z"}),
    )
    .await;
    assert_eq!(
        download,
        json!({"observed_at": "2026-03-01T12:00:00.000Z",
            "event_type": "filestore.node.downloaded", "node_id": 1, "backend_mount_id": 3,
            "path": "a", "size_bytes": 10, "journal_id": 1, "principal": "ann",
            "metadata_json": "{\"mode\":\"stream\",\"range\":\"bytes=0-1\"}"})
    );
}

#[tokio::test]
async fn files_are_counted_by_what_they_were_before() {
    let node = |state: &str, previous_size: Option<i64>| {
        let mut data = node_data();
        data["state"] = json!(state);
        data["previousSizeBytes"] = json!(previous_size);
        data
    };
    let reconciled = |state: &str, previous: Option<&str>| {
        json!({
            "backendMountId": 3, "nodeId": 42, "path": "a", "kind": "file", "state": state,
            "parentId": null, "version": 3, "sizeBytes": 1, "checksum": null, "contentHash": null,
            "metadata": {}, "consistencyState": "active",
            "consistencyCheckedAt": "2026-03-01T12:00:00.000Z", "lastReconciledAt": null,
            "previousState": previous, "reason": "drift", "observedAt": "2026-03-01T12:00:00.000Z",
        })
    };
    for (event_type, data, expected) in [
        ("filestore.node.created", node("active", None), 1),
        ("filestore.node.copied", node("active", None), 1),
        ("filestore.node.uploaded", node("active", None), 1),
        ("filestore.node.uploaded", node("active", Some(0)), 0),
        ("filestore.node.updated", node("inconsistent", Some(1)), 0),
        ("filestore.node.deleted", node("deleted", Some(1)), -1),
        ("filestore.node.deleted", node("deleted", None), 0),
        ("filestore.node.moved", node("active", Some(0)), 0),
        ("filestore.node.moved", node("active", None), 1),
        ("filestore.node.reconciled", reconciled("active", None), 1),
        (
            "filestore.node.reconciled",
            reconciled("active", Some("active")),
            0,
        ),
        (
            "filestore.node.reconciled",
            reconciled("active", Some("missing")),
            1,
        ),
        (
            "filestore.node.missing",
            reconciled("missing", Some("inconsistent")),
            -1,
        ),
        (
            "filestore.node.missing",
            reconciled("missing", Some("missing")),
            0,
        ),
    ] {
        let row = row(event_type, Some(42), 0, data.clone()).await;
        assert_eq!(row["file_delta"], json!(expected), "{event_type} {data}");
    }
}
