//! Mounts, and what people note of them.

use super::{PAGINATION, fits};
use crate::support::Server;
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn mounts_are_listed_for_the_frontend() {
    let server = Server::start().await;
    let path = "/v1/backend-mounts?limit=50&offset=0&kinds=local&states=active&states=inactive\
                &accessModes=rw&search=tree";
    let answer = server.get(path).await;
    let data = answer.data();
    fits(&data["pagination"], PAGINATION);
    let mount = [
        ("id", "n"),
        ("mountKey", "s"),
        ("displayName", "s?"),
        ("description", "s?"),
        ("contact", "s?"),
        ("backendKind", "s"),
        ("accessMode", "s"),
        ("state", "s"),
        ("stateReason", "s?"),
        ("config", "o"),
        ("lastHealthCheckAt", "s?"),
        ("lastHealthStatus", "s?"),
        ("rootPath", "s?"),
        ("bucket", "s?"),
        ("prefix", "s?"),
        ("createdAt", "s"),
        ("updatedAt", "s"),
    ];
    fits(&data["mounts"][0], &mount);
    assert_eq!(data["filters"]["kinds"], json!(["local"]));
    assert_eq!(data["filters"]["states"], json!(["active", "inactive"]));
    assert_eq!(data["filters"]["search"], "tree");
    assert_eq!(data["mounts"][0]["labels"], json!([]));
}

#[tokio::test]
async fn what_people_note_of_a_mount_is_kept_as_the_frontend_takes_it() {
    let server = Server::start().await;
    let path = format!("/v1/backend-mounts/{}", server.mount);
    let patch = |body: Value| {
        let request = server.sdk(Method::PATCH, &path).json(&body);
        server.send(request)
    };
    let notes = json!({ "displayName": "Films", "description": "All of them", "contact": "ada",
        "labels": ["a", "b"], "stateReason": "moving house" });
    let noted = patch(notes.clone()).await;
    for (name, value) in notes.as_object().unwrap() {
        assert_eq!(noted.data()[name], *value, "{name}");
    }
    let kept = patch(json!({ "contact": null })).await;
    assert_eq!(
        (&kept.data()["contact"], &kept.data()["description"]),
        (&Value::Null, &json!("All of them"))
    );
    for (body, pointer) in [
        (json!({ "displayName": "x".repeat(129) }), "/displayName"),
        (json!({ "description": " " }), "/description"),
        (json!({ "contact": "x".repeat(257) }), "/contact"),
        (json!({ "stateReason": "" }), "/stateReason"),
        (json!({ "labels": ["a", ""] }), "/labels/1"),
        (json!({ "labels": vec!["a"; 33] }), "/labels"),
    ] {
        let refused = patch(body).await;
        assert_eq!(refused.status.as_u16(), 400, "{refused:?}");
        assert_eq!(refused.body["errors"][0]["pointer"], pointer, "{refused:?}");
    }
    assert_eq!(server.get(&path).await.data()["displayName"], "Films");
}
