//! Schemas: what they are registered as, and what is checked against them.

use crate::support::{Served, options};
use reqwest::Method;
use serde_json::{Value, json};

fn metrics() -> Value {
    json!({
        "name": "Metrics payload", "version": "1.0.0", "metadata": {"owner": "data"},
        "fields": [
            {"path": "id", "type": "string", "required": true, "description": "Who it is"},
            {"path": "payload.at", "type": "timestamp", "required": true},
            {"path": "payload.value", "type": "number"},
            {"path": "labels", "type": "string", "repeated": true},
            {"path": "unit", "type": "string", "constraints": {"enum": ["ms", "s"]}},
        ],
    })
}

fn good() -> Value {
    json!({"id": "cpu", "payload": {"at": "2026-01-31T12:00:00Z", "value": 1}, "free": [1]})
}

async fn registered(served: &Served) -> String {
    let answer = served.post("/admin/schemas", metrics()).await.expect(201);
    answer["schema"]["schemaHash"].as_str().unwrap().to_owned()
}

fn pointers(problem: &Value) -> Vec<&str> {
    let errors = problem["errors"].as_array().unwrap();
    errors
        .iter()
        .map(|error| error["pointer"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_schema_is_named_by_its_contents_and_read_by_that_name() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::with(options(dir.path()), None).await;
    let made = served.post("/admin/schemas", metrics()).await.expect(201);
    assert_eq!(made["created"], true);
    let hash = made["schema"]["schemaHash"].as_str().unwrap();
    assert!(hash.starts_with("sha256:") && hash.len() == 71, "{hash}");
    let mut same = metrics();
    same["schemaHash"] = json!(hash);
    same["description"] = Value::Null;
    let again = served.post("/admin/schemas", same).await.expect(200);
    assert_eq!(
        (&again["created"], &again["schema"]),
        (&json!(false), &made["schema"])
    );
    let hash = hash.to_owned();
    served.metastore.close();

    let served = Served::with(options(dir.path()), None).await;
    let path = format!("/schemas/{}", hash.replace(':', "%3A"));
    let read = served.get(&path).await.expect(200);
    assert_eq!(read, made["schema"]);
    assert_eq!(read["fields"], metrics()["fields"]);
    assert_eq!(
        (&read["version"], &read["updatedAt"]),
        (&json!("1.0.0"), &read["createdAt"])
    );
    assert_eq!(
        read.get("description"),
        None,
        "what is not there is left out"
    );

    let response = served
        .client
        .get(format!("{}{path}", served.url))
        .send()
        .await
        .unwrap();
    let etag = response.headers()["etag"].clone();
    let kept = response.headers()["cache-control"].to_str().unwrap();
    assert!(kept.contains("immutable"), "{kept}");
    let request = served.client.get(format!("{}{path}", served.url));
    let known = request.header("if-none-match", etag).send().await.unwrap();
    assert_eq!(known.status(), 304);

    let missing = served.get("/schemas/sha256:none").await;
    assert_eq!(missing.problem().0, 404);
    assert_eq!(missing.problem().1, "not_found");
    assert_eq!(served.get("/schemas/abc").await.problem().2, "/hash");
}

#[tokio::test]
async fn a_client_may_name_a_schema_and_no_name_changes_its_meaning() {
    let served = Served::start().await;
    let mut named = metrics();
    named["schemaHash"] = json!("sha256:test-schema");
    let made = served
        .post("/admin/schemas", named.clone())
        .await
        .expect(201);
    assert_eq!(made["schema"]["schemaHash"], "sha256:test-schema");
    served
        .post("/admin/schemas", named.clone())
        .await
        .expect(200);
    named["version"] = json!(2);
    let taken = served.post("/admin/schemas", named.clone()).await;
    assert_eq!(taken.problem(), (409, "conflict", ""));
    named["schemaHash"] = json!(format!("sha256:{}", "0".repeat(64)));
    let false_hash = served.post("/admin/schemas", named).await;
    assert_eq!(
        false_hash.problem(),
        (400, "invalid_request", "/schemaHash")
    );

    registered(&served).await;
    let first = served.get("/admin/schemas?limit=1").await.expect(200);
    assert_eq!(first["schemas"].as_array().unwrap().len(), 1);
    let cursor = first["nextCursor"].as_str().unwrap();
    let next = served
        .get(&format!("/admin/schemas?limit=1&cursor={cursor}"))
        .await
        .expect(200);
    assert_eq!(next["schemas"][0], made["schema"]);
    assert_eq!(next.get("nextCursor"), None);
}

#[tokio::test]
async fn what_is_wrong_with_a_schema_is_told_field_by_field() {
    let served = Served::start().await;
    let schema = json!({"version": true, "fields": [
        {"path": "ok", "type": "string"},
        {"path": "a..b", "type": "colour"},
        {"path": "filestore.path", "type": "string"},
        {"path": "ok", "type": "string", "constraints": {"enum": "one"}},
    ]});
    let refused = served.post("/admin/schemas", schema).await.expect(400);
    assert_eq!(
        pointers(&refused),
        [
            "/version",
            "/fields/1/path",
            "/fields/1/type",
            "/fields/2/path",
            "/fields/3/constraints/enum",
            "/fields/3/path"
        ]
    );
    for (schema, pointer) in [
        (json!({"fields": []}), "/fields"),
        (json!({"name": "x"}), "/fields"),
        (json!({"fields": [{"path": "a"}]}), "/fields/0/type"),
        (
            json!({"fields": [{"path": "a", "type": "string", "required": "yes"}]}),
            "/fields/0/required",
        ),
        (
            json!({"schemaHash": "short", "fields": [{"path": "a", "type": "string"}]}),
            "/schemaHash",
        ),
    ] {
        let refused = served.post("/admin/schemas", schema.clone()).await;
        assert_eq!(refused.problem().2, pointer, "{schema}");
    }
    let all = served.get("/admin/schemas").await.expect(200);
    assert_eq!(all["schemas"], json!([]));
}

#[tokio::test]
async fn each_fault_of_a_record_is_told_with_its_place() {
    let served = Served::start().await;
    let hash = registered(&served).await;
    let bad = json!({"payload": {"at": "noon", "value": "1"}, "labels": ["a", 2], "unit": "h"});
    let expected = [
        "/metadata/id",
        "/metadata/payload/at",
        "/metadata/payload/value",
        "/metadata/labels/1",
        "/metadata/unit",
    ];
    let body = json!({"namespace": "n", "key": "k", "metadata": bad, "schemaHash": hash});
    let refused = served.post("/records", body.clone()).await.expect(400);
    assert_eq!(pointers(&refused), expected);
    let refused = served.put("/records/n/k", body.clone()).await.expect(400);
    assert_eq!(pointers(&refused), expected);
    let detail = refused["detail"].as_str().unwrap();
    assert!(
        detail.contains("a number is wanted, not this string"),
        "{detail}"
    );

    let fine = json!({"namespace": "n", "key": "fine", "metadata": good(), "schemaHash": hash});
    let bulk = json!({"operations": [fine, body]});
    let refused = served.post("/records/bulk", bulk.clone()).await.expect(400);
    let below = expected.map(|pointer| format!("/operations/1{pointer}"));
    assert_eq!(pointers(&refused), below);
    served.get("/records/n/fine").await.expect(404);
    let mut bulk = bulk;
    bulk["continueOnError"] = json!(true);
    let done = served.post("/records/bulk", bulk).await.expect(200);
    assert_eq!(done["operations"][0]["status"], "ok");
    assert_eq!(pointers(&done["operations"][1]["error"]), expected);
    served.get("/records/n/k").await.expect(404);
}

#[tokio::test]
async fn a_record_is_checked_until_its_hash_is_taken_away() {
    let served = Served::start().await;
    let hash = registered(&served).await;
    let path = "/records/n/k";
    let unknown = json!({"metadata": good(), "schemaHash": "sha256:none"});
    for method in [Method::PUT, Method::POST] {
        let (path, mut body) = (path.to_owned(), unknown.clone());
        let path = if method == Method::POST {
            (body["namespace"], body["key"]) = (json!("n"), json!("k"));
            "/records".to_owned()
        } else {
            path
        };
        let refused = served.send(method, &path, Some(body)).await;
        assert_eq!(refused.problem(), (400, "invalid_request", "/schemaHash"));
    }
    served
        .put(path, json!({"metadata": {"id": 7}, "tags": ["t"]}))
        .await
        .expect(201);
    let refused = served.patch(path, json!({"schemaHash": hash})).await;
    assert_eq!(refused.problem().2, "/metadata/id");
    let body = json!({"metadata": good(), "schemaHash": hash});
    let written = served.put(path, body).await.expect(200);
    assert_eq!(written["record"]["schemaHash"], hash);

    for (body, pointer) in [
        (json!({"metadata": {"id": 1}}), "/metadata/id"),
        (
            json!({"metadataUnset": ["payload.at"]}),
            "/metadata/payload/at",
        ),
        (json!({"schemaHash": "sha256:none"}), "/schemaHash"),
    ] {
        let refused = served.patch(path, body.clone()).await;
        assert_eq!(
            refused.problem(),
            (400, "invalid_request", pointer),
            "{body}"
        );
    }
    let merge = served
        .client
        .patch(format!("{}{path}", served.url))
        .header("content-type", "application/merge-patch+json")
        .body(r#"{"metadata": {"id": null}}"#)
        .send()
        .await
        .unwrap();
    assert_eq!(merge.status(), 400);
    served
        .patch(path, json!({"metadata": {"payload": {"value": 2.5}}}))
        .await
        .expect(200);
    served.delete(path).await.expect(200);
    served
        .post("/records/n/k/restore", json!({}))
        .await
        .expect(200);
    let free = json!({"schemaHash": null, "metadata": {"id": 7}});
    let free = served.patch(path, free).await.expect(200);
    assert_eq!(free["record"]["schemaHash"], Value::Null);
    // Back to a state that was checked when it was written.
    let restored = served
        .post("/records/n/k/restore", json!({"version": 2}))
        .await
        .expect(200);
    assert_eq!(restored["record"]["schemaHash"], hash);
}
