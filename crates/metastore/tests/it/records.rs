//! Records by REST.

use crate::support::{Served, options};
use httpkit::Tokens;
use serde_json::{Value, json};

#[tokio::test]
async fn a_record_is_made_once_and_then_given_as_it_is() {
    let served = Served::start().await;
    let body = json!({"namespace": "notes", "key": "a/b c", "metadata": {"x": {"y": 1}},
                      "tags": ["b", " a ", "b"], "owner": "ada", "schemaHash": "abc123"});
    let schema = json!({"schemaHash": "abc123", "fields": [{"path": "x", "type": "object"}]});
    served.post("/admin/schemas", schema).await.expect(201);
    let made = served.post("/records", body).await.expect(201);
    assert_eq!(
        (&made["created"], &made["idempotent"]),
        (&json!(true), &json!(false))
    );
    let record = &made["record"];
    assert_eq!(record["metadata"], json!({"x": {"y": 1}}));
    assert_eq!(record["tags"], json!(["a", "b"]));
    assert_eq!(
        (&record["owner"], &record["schemaHash"]),
        (&json!("ada"), &json!("abc123"))
    );
    assert_eq!(
        (&record["version"], &record["deletedAt"]),
        (&json!(1), &Value::Null)
    );
    assert_eq!(record["createdAt"], "2026-01-01T00:00:02.000Z");

    let other = json!({"namespace": "notes", "key": "a/b c", "metadata": {"other": true}});
    let again = served.post("/records", other).await.expect(200);
    assert_eq!(
        (&again["created"], &again["record"]),
        (&json!(false), record)
    );
    let read = served.get("/records/notes/a%2Fb%20c").await.expect(200);
    assert_eq!(&read["record"], record);
}

#[tokio::test]
async fn an_idempotency_key_stands_for_one_request() {
    let served = Served::start().await;
    let body = |x| json!({"namespace": "notes", "key": "k", "metadata": {"x": x}, "idempotencyKey": "once"});
    let made = served.post("/records", body(1)).await.expect(201);
    let again = served.post("/records", body(1)).await.expect(200);
    assert_eq!(
        (&again["idempotent"], &again["record"]),
        (&json!(true), &made["record"])
    );
    let other = served.post("/records", body(2)).await;
    assert_eq!(other.problem().0, 409);
    assert_eq!(other.problem().1, "idempotency_conflict");
}

#[tokio::test]
async fn put_replaces_and_patch_changes_parts() {
    let served = Served::start().await;
    let path = "/records/notes/k";
    let body = json!({"metadata": {"a": {"b": 1, "c": 2}}, "tags": ["t"], "owner": "ada"});
    served.put(path, body.clone()).await.expect(201);
    let same = served.put(path, body).await.expect(200);
    assert_eq!(
        (&same["idempotent"], &same["record"]["version"]),
        (&json!(true), &json!(1))
    );

    let patch = json!({"metadata": {"a": {"b": null, "d": [1]}}, "metadataUnset": ["a.c"],
                       "tags": {"add": ["u"], "remove": ["t"]}, "owner": null});
    let patched = served.patch(path, patch).await.expect(200)["record"].clone();
    assert_eq!(patched["metadata"], json!({"a": {"b": null, "d": [1]}}));
    assert_eq!(
        (&patched["tags"], &patched["owner"]),
        (&json!(["u"]), &Value::Null)
    );
    assert_eq!(patched["version"], 2);

    let replaced = served.put(path, json!({"metadata": {}})).await.expect(200)["record"].clone();
    assert_eq!(
        (&replaced["metadata"], &replaced["tags"]),
        (&json!({}), &json!([]))
    );
    assert_eq!(replaced["version"], 3);
    served
        .patch("/records/notes/none", json!({"owner": "x"}))
        .await
        .expect(404);
}

#[tokio::test]
async fn an_expected_version_that_has_moved_on_is_a_conflict_with_the_present_one() {
    let served = Served::start().await;
    let path = "/records/notes/k";
    served
        .put(path, json!({"metadata": {}, "expectedVersion": 1}))
        .await
        .expect(409);
    served.put(path, json!({"metadata": {}})).await.expect(201);
    served
        .patch(path, json!({"owner": "ada", "expectedVersion": 1}))
        .await
        .expect(200);
    for answer in [
        served
            .put(path, json!({"metadata": {}, "expectedVersion": 1}))
            .await,
        served
            .patch(path, json!({"owner": "bob", "expectedVersion": 1}))
            .await,
        served.delete(&format!("{path}?expectedVersion=1")).await,
        served
            .send(
                reqwest::Method::DELETE,
                path,
                Some(json!({"expectedVersion": 1})),
            )
            .await,
        served
            .post(&format!("{path}/restore"), json!({"expectedVersion": 1}))
            .await,
        served
            .delete(&format!("{path}/purge?expectedVersion=1"))
            .await,
    ] {
        assert_eq!(answer.problem().1, "version_conflict");
        assert_eq!(answer.body["error"]["details"]["currentVersion"], 2);
        answer.expect(409);
    }
    assert_eq!(served.record("notes", "k").await["owner"], "ada");
}

#[tokio::test]
async fn a_soft_deleted_record_is_hidden_until_it_is_restored() {
    let served = Served::start().await;
    let path = "/records/notes/k";
    served
        .put(path, json!({"metadata": {"x": 1}, "tags": ["t"]}))
        .await
        .expect(201);
    let deleted = served.delete(path).await.expect(200);
    assert_eq!(
        (&deleted["deleted"], &deleted["idempotent"]),
        (&json!(true), &json!(false))
    );
    assert!(deleted["record"]["deletedAt"].is_string());
    let again = served.delete(path).await.expect(200);
    assert_eq!(
        (&again["deleted"], &again["idempotent"]),
        (&json!(false), &json!(true))
    );

    served.get(path).await.expect(404);
    served
        .get(&format!("{path}?includeDeleted=true"))
        .await
        .expect(200);
    let search = json!({"namespace": "notes"});
    assert!(served.keys(search).await.is_empty());
    assert_eq!(
        served
            .keys(json!({"namespace": "notes", "includeDeleted": true}))
            .await,
        ["k"]
    );
    served.patch(path, json!({"owner": "x"})).await.expect(409);
    let body = json!({"namespace": "notes", "key": "k", "metadata": {}});
    served.post("/records", body).await.expect(409);

    let restored = served
        .send(reqwest::Method::POST, &format!("{path}/restore"), None)
        .await;
    let restored = restored.expect(200);
    assert_eq!(
        (&restored["restored"], &restored["record"]["tags"]),
        (&json!(true), &json!(["t"]))
    );
    served.get(path).await.expect(200);

    served.delete(path).await.expect(200);
    let put = served
        .put(path, json!({"metadata": {"x": 2}}))
        .await
        .expect(200);
    assert_eq!(
        put["record"]["deletedAt"],
        Value::Null,
        "a put lifts a person's deletion"
    );
}

#[tokio::test]
async fn the_audit_holds_every_write_and_a_record_goes_back_to_one() {
    let served = Served::start().await;
    let path = "/records/notes/k";
    served
        .put(path, json!({"metadata": {"x": 1}, "tags": ["a"]}))
        .await
        .expect(201);
    served
        .patch(
            path,
            json!({"metadata": {"y": 2}, "tags": {"set": ["b"]}, "owner": "ada"}),
        )
        .await
        .expect(200);
    served.delete(path).await.expect(200);
    let page = served
        .get(&format!("{path}/audit?limit=2"))
        .await
        .expect(200);
    assert_eq!(
        page["pagination"],
        json!({"total": 3, "limit": 2, "offset": 0, "nextOffset": 2})
    );
    let actions: Vec<_> = page["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["action"])
        .collect();
    assert_eq!(actions, ["delete", "update"]);
    let update = &page["entries"][1];
    assert_eq!(
        (&update["previousVersion"], &update["version"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(update["previousMetadata"], json!({"x": 1}));

    let diff = served
        .get(&format!("{path}/audit/{}/diff", update["id"]))
        .await
        .expect(200);
    assert_eq!(
        diff["metadata"]["added"],
        json!([{"path": "y", "value": 2}])
    );
    assert_eq!(diff["tags"], json!({"added": ["b"], "removed": ["a"]}));
    assert_eq!(
        diff["owner"],
        json!({"before": null, "after": "ada", "changed": true})
    );
    served
        .get(&format!("{path}/audit/9999/diff"))
        .await
        .expect(404);

    let back = served
        .post(&format!("{path}/restore"), json!({"version": 1}))
        .await
        .expect(200);
    assert_eq!(back["restoredFrom"]["version"], 1);
    let record = &back["record"];
    assert_eq!(
        (&record["metadata"], &record["tags"]),
        (&json!({"x": 1}), &json!(["a"]))
    );
    assert_eq!(
        (&record["owner"], &record["deletedAt"]),
        (&Value::Null, &Value::Null)
    );
    let none = served
        .post(&format!("{path}/restore"), json!({"auditId": 9999}))
        .await;
    assert_eq!(none.problem(), (400, "invalid_request", "/auditId"));
}

#[tokio::test]
async fn a_purge_removes_a_record_with_its_history() {
    let served = Served::start().await;
    let path = "/records/notes/k";
    served
        .put(path, json!({"metadata": {"x": 1}, "tags": ["a"]}))
        .await
        .expect(201);
    let purged = served.delete(&format!("{path}/purge")).await.expect(200);
    assert_eq!(
        (&purged["purged"], &purged["record"]["tags"]),
        (&json!(true), &json!(["a"]))
    );
    served
        .get(&format!("{path}?includeDeleted=true"))
        .await
        .expect(404);
    served.get(&format!("{path}/audit")).await.expect(404);
    let made = served.put(path, json!({"metadata": {}})).await.expect(201);
    assert_eq!(made["record"]["version"], 1);
    let audit = served.get(&format!("{path}/audit")).await.expect(200);
    assert_eq!(audit["pagination"]["total"], 1);
}

#[tokio::test]
async fn bulk_writes_all_or_those_that_can_be() {
    let served = Served::start().await;
    served
        .put("/records/n/old", json!({"metadata": {}}))
        .await
        .expect(201);
    let operations = json!([
        {"namespace": "n", "key": "a", "metadata": {"x": 1}, "tags": ["t"]},
        {"type": "upsert", "namespace": "n", "key": "old", "metadata": {}, "expectedVersion": 7},
        {"type": "delete", "namespace": "n", "key": "old"},
        {"type": "create", "namespace": "n", "key": "b", "metadata": {}},
    ]);
    let all = json!({"operations": operations});
    let refused = served.post("/records/bulk", all).await;
    assert_eq!(refused.problem().1, "version_conflict");
    served.get("/records/n/a").await.expect(404);

    let some = json!({"operations": operations, "continueOnError": true});
    let done = served.post("/records/bulk", some).await.expect(200);
    let status: Vec<_> = done["operations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["status"])
        .collect();
    assert_eq!(status, ["ok", "error", "ok", "ok"]);
    assert_eq!(done["operations"][1]["error"]["code"], "version_conflict");
    assert!(done["operations"][2]["record"]["deletedAt"].is_string());
    let mut keys = served.keys(json!({"namespace": "n"})).await;
    keys.sort();
    assert_eq!(keys, ["a", "b"]);
}

#[tokio::test]
async fn namespaces_are_counted_by_owner() {
    let served = Served::start().await;
    for (namespace, key, owner) in [
        ("a", "1", Some("ada")),
        ("a", "2", Some("ada")),
        ("a", "3", Some("bob")),
        ("b", "1", None),
    ] {
        let body = json!({"metadata": {}, "owner": owner});
        served
            .put(&format!("/records/{namespace}/{key}"), body)
            .await
            .expect(201);
    }
    served.delete("/records/a/3").await.expect(200);
    let page = served.get("/namespaces").await.expect(200);
    assert_eq!(page["pagination"]["total"], 2);
    let a = &page["namespaces"][0];
    assert_eq!((&a["name"], &a["totalRecords"]), (&json!("a"), &json!(3)));
    assert_eq!(a["deletedRecords"], 1);
    assert_eq!(a["ownerCounts"][0], json!({"owner": "ada", "count": 2}));
    let page = served.get("/namespaces?prefix=b&limit=1").await.expect(200);
    assert_eq!(page["namespaces"][0]["name"], "b");
}

#[tokio::test]
async fn a_token_reaches_only_its_scopes_and_namespaces() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokens.json");
    let tokens = json!([
        {"token": "reader-reader-reader-reader", "subject": "r", "scopes": ["metastore:read"],
         "namespaces": ["a"]},
        {"token": "writer-writer-writer-writer", "subject": "w",
         "scopes": ["metastore:read", "metastore:write"], "namespaces": ["a", "b"]},
        {"token": "admin-admin-admin-admin-admin", "subject": "root", "scopes": ["metastore:admin"],
         "namespaces": "*"},
    ]);
    std::fs::write(&file, tokens.to_string()).unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let mut served = Served::with(
        options(dir.path()),
        Some(Tokens::load(&file, crate::access::WORDS).unwrap()),
    )
    .await;
    served.get("/records/a/k").await.expect(401);

    served.token = Some("writer-writer-writer-writer".to_owned());
    let made = served
        .put("/records/a/k", json!({"metadata": {}}))
        .await
        .expect(201);
    assert_eq!(made["record"]["createdBy"], "w");
    served
        .put("/records/b/k", json!({"metadata": {}}))
        .await
        .expect(201);
    served
        .put("/records/c/k", json!({"metadata": {}}))
        .await
        .expect(403);
    served.delete("/records/a/k").await.expect(403);
    let bulk = json!({"operations": [{"type": "delete", "namespace": "a", "key": "k"}]});
    served.post("/records/bulk", bulk).await.expect(403);
    served.delete("/records/a/k/purge").await.expect(403);

    served.token = Some("reader-reader-reader-reader".to_owned());
    served.get("/records/a/k").await.expect(200);
    served
        .put("/records/a/k", json!({"metadata": {}}))
        .await
        .expect(403);
    served.get("/records/b/k").await.expect(403);
    served
        .post("/records/search", json!({"namespace": "b"}))
        .await
        .expect(403);
    let all = served
        .post("/records/search", json!({"namespace": "*"}))
        .await
        .expect(200);
    assert_eq!(
        all["pagination"]["total"], 1,
        "a star means what the caller may see"
    );
    assert_eq!(
        served.get("/namespaces").await.expect(200)["pagination"]["total"],
        1
    );
    served.put("/namespace-rules", json!({})).await.expect(403);

    served.token = Some("admin-admin-admin-admin-admin".to_owned());
    let all = served
        .post("/records/search", json!({"namespace": "*"}))
        .await
        .expect(200);
    assert_eq!(all["pagination"]["total"], 2);
    served.delete("/records/a/k/purge").await.expect(200);
}
