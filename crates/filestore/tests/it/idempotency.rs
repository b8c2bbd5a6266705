//! One effect a key.

use crate::support::Server;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

#[tokio::test]
async fn a_repeated_command_has_one_effect_and_the_same_answer() {
    let server = Server::start().await;
    server.upload("f", "1").await.data();
    server.upload("old", "1").await.data();
    let id = server.by_path("f").await.node_id();
    let commands = [
        (
            Method::POST,
            "/v1/directories".to_owned(),
            json!({ "path": "d" }),
        ),
        (
            Method::POST,
            "/v1/nodes/move".to_owned(),
            json!({ "path": "old", "targetPath": "new" }),
        ),
        (
            Method::PATCH,
            format!("/v1/nodes/{id}/metadata"),
            json!({ "set": { "a": 1 } }),
        ),
        (
            Method::DELETE,
            "/v1/nodes".to_owned(),
            json!({ "path": "f" }),
        ),
    ];
    for (number, (method, path, mut body)) in commands.into_iter().enumerate() {
        body["idempotencyKey"] = json!(format!("key-{number}"));
        let first = server.json(method.clone(), &path, body.clone()).await;
        assert_eq!(first.data()["idempotent"], false);
        let head = server.head();
        let again = server.json(method.clone(), &path, body.clone()).await;
        assert_eq!(again.status, StatusCode::OK);
        assert_eq!(again.data()["idempotent"], true);
        assert_eq!(server.head(), head, "{path} had a second effect");
        for field in ["journalEntryId", "node", "result"] {
            assert_eq!(again.data()[field], first.data()[field], "{path} {field}");
        }
        assert_eq!(
            again.header("tidemark-journal-id"),
            first.header("tidemark-journal-id")
        );

        let mut other = body;
        other["path"] = json!("another");
        other["set"] = json!({ "a": 2 });
        let other = server.json(method, &path, other).await;
        assert_eq!(other.problem(), (409, "idempotency_conflict"));
        assert_eq!(server.head(), head);
    }
    server.assert_disk_agrees().await;
}

#[tokio::test]
async fn an_upload_is_the_same_only_with_the_same_contents() {
    let server = Server::start().await;
    let key = [("Idempotency-Key", "upload-1")];
    let first = server.upload_with("f", "abc", &[], &key).await;
    assert_eq!(first.status, StatusCode::CREATED);
    let head = server.head();
    let again = server.upload_with("f", "abc", &[], &key).await;
    assert_eq!(
        (again.status, &again.data()["idempotent"]),
        (StatusCode::OK, &Value::Bool(true))
    );
    assert_eq!(again.data()["node"], first.data()["node"]);
    let other = server.upload_with("f", "abd", &[], &key).await;
    assert_eq!(other.problem(), (409, "idempotency_conflict"));
    // The form's own field counts too, and the header's other spelling.
    let field = server
        .upload_with("f", "abc", &[("idempotencyKey", "upload-1")], &[])
        .await;
    assert_eq!(field.data()["idempotent"], true);
    let spelled = server
        .upload_with("f", "abc", &[], &[("X-Idempotency-Key", "upload-1")])
        .await;
    assert_eq!(spelled.data()["idempotent"], true);
    assert_eq!(server.head(), head);
    assert_eq!(server.names(), ["f"]);
}

#[tokio::test]
async fn a_command_that_failed_may_be_tried_again_with_its_key() {
    let server = Server::start().await;
    let body = json!({ "path": "a", "targetPath": "b", "idempotencyKey": "k" });
    let failed = server
        .json(Method::POST, "/v1/nodes/move", body.clone())
        .await;
    assert_eq!(failed.problem(), (404, "not_found"));
    server.upload("a", "1").await.data();
    let done = server.json(Method::POST, "/v1/nodes/move", body).await;
    assert_eq!(done.data()["idempotent"], false);
}

#[tokio::test]
async fn the_same_key_sent_at_once_has_one_effect() {
    let server = Server::start().await;
    let before = server.head();
    let body = json!({ "path": "d", "idempotencyKey": "once" });
    let sends = (0..8).map(|_| server.json(Method::POST, "/v1/directories", body.clone()));
    let answers = futures::future::join_all(sends).await;
    let fresh = answers
        .iter()
        .filter(|answer| answer.data()["idempotent"] == false)
        .count();
    assert_eq!(fresh, 1);
    assert_eq!(server.entries(before).len(), 2, "one node, one command");
}

#[tokio::test]
async fn answers_outlive_a_restart() {
    let server = Server::start().await;
    let body = json!({ "path": "d", "idempotencyKey": "k" });
    let first = server
        .json(Method::POST, "/v1/directories", body.clone())
        .await;
    let node = first.data()["node"].clone();
    let dirs = server.close().await;
    let server = Server::start_with(dirs, |_| {}).await;
    let again = server.json(Method::POST, "/v1/directories", body).await;
    assert_eq!(again.data()["idempotent"], true);
    assert_eq!(again.data()["node"], node);
}
