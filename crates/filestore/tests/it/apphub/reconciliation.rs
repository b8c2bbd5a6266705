//! Jobs that compare nodes with the disk.

use super::{PAGINATION, fits, sdk_error};
use crate::support::Server;
use reqwest::Method;
use serde_json::json;
use std::time::Duration;

/// What AppHub's schema of a reconciliation job says.
const JOB: &[(&str, &str)] = &[
    ("id", "n"),
    ("jobKey", "s"),
    ("backendMountId", "n"),
    ("nodeId", "n?"),
    ("path", "s"),
    ("reason", "s"),
    ("status", "s"),
    ("detectChildren", "b"),
    ("requestedHash", "b"),
    ("attempt", "n"),
    ("result", "o?"),
    ("error", "o?"),
    ("enqueuedAt", "s"),
    ("startedAt", "s?"),
    ("completedAt", "s?"),
    ("durationMs", "n?"),
    ("updatedAt", "s"),
];

#[tokio::test]
async fn reconciliation_is_asked_for_and_followed_as_the_sdk_and_the_frontend_do() {
    let server = Server::start().await;
    let id = server.sdk_upload("d/file", "x", &[]).await.node_id();
    let ask = json!({ "backendMountId": server.mount, "path": "d/file", "nodeId": id,
        "reason": "manual", "detectChildren": false, "requestedHash": true });
    let request = server.sdk(Method::POST, "/v1/reconciliation");
    let request = request.header("Content-Type", "application/json");
    let asked = server.send(request.body(ask.to_string())).await;
    assert_eq!(
        (asked.status.as_u16(), &asked.data()["enqueued"]),
        (202, &json!(true))
    );
    let path = format!(
        "/v1/reconciliation/jobs?backendMountId={}&path=d/file&status=succeeded&limit=20&offset=0",
        server.mount
    );
    let listed = testkit::wait_for_async("the job to end", Duration::from_secs(60), async || {
        let listed = server.send(server.sdk(Method::GET, &path)).await;
        match listed.data()["jobs"]
            .as_array()
            .is_some_and(|jobs| jobs.len() == 1)
        {
            true => Ok(listed),
            false => Err(listed),
        }
    })
    .await;
    let data = listed.data();
    fits(&data["pagination"], PAGINATION);
    fits(&data["jobs"][0], JOB);
    assert_eq!(
        data["filters"],
        json!({ "backendMountId": server.mount, "path": "d/file", "status": ["succeeded"] })
    );
    let job = data["jobs"][0]["id"].as_i64().unwrap();
    let detail = server.sdk(Method::GET, &format!("/v1/reconciliation/jobs/{job}"));
    let detail = server.send(detail).await;
    fits(detail.data(), JOB);
    assert_eq!(detail.data()["result"]["outcome"], "reconciled");
    let none = server.sdk(Method::GET, "/v1/reconciliation/jobs/4711");
    assert_eq!(sdk_error(&server.send(none).await).0, 404);
}
