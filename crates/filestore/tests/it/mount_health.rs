//! Whether mounts can be reached.

use crate::support::{Ground, Server};
use filestore::MountHealthChecks;
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

fn check(server: &Server) -> MountHealthChecks {
    let often = Duration::from_millis(100);
    MountHealthChecks::start(Arc::clone(&server.filestore), often, 20).unwrap()
}

async fn close(server: Server, checks: MountHealthChecks) {
    tokio::task::spawn_blocking(move || drop(checks))
        .await
        .unwrap();
    server.close().await;
}

async fn wait_for(server: &Server, status: Value) -> Value {
    let path = format!("/v1/backend-mounts/{}", server.mount);
    testkit::wait_for_async("the mount's health", LONG, async || {
        let mount = server.get(&path).await.data().clone();
        if mount["lastHealthStatus"] == status {
            Ok(mount)
        } else {
            Err(mount)
        }
    })
    .await
}

#[tokio::test]
async fn a_folder_is_well_while_it_is_the_one_that_was_mounted() {
    let server = Server::start().await;
    server.upload("f", "x").await.data();
    let path = format!("/v1/backend-mounts/{}", server.mount);
    let before = server.get(&path).await;
    assert_eq!(
        before.data()["lastHealthCheckAt"],
        Value::Null,
        "nobody has looked"
    );
    let checks = check(&server);
    let well = wait_for(&server, json!("ok")).await;
    assert!(well["lastHealthCheckAt"].is_string() && well["lastHealthError"].is_null());
    // Its disk goes, and its empty mount point is seen.
    let aside = server.root.with_extension("aside");
    std::fs::rename(&server.root, &aside).unwrap();
    let gone = wait_for(&server, json!("unreachable")).await;
    assert!(
        gone["lastHealthError"].as_str().unwrap().contains("root"),
        "{gone}"
    );
    std::fs::create_dir(&server.root).unwrap();
    let another = |mount: &Value| {
        let error = mount["lastHealthError"].as_str().unwrap_or_default();
        error.contains("another directory")
    };
    testkit::wait_for_async("the other directory", LONG, async || {
        let mount = server.get(&path).await.data().clone();
        if another(&mount) { Ok(()) } else { Err(mount) }
    })
    .await;
    std::fs::remove_dir(&server.root).unwrap();
    std::fs::rename(&aside, &server.root).unwrap();
    wait_for(&server, json!("ok")).await;
    // Of an inactive one nothing is said.
    let patch = json!({ "state": "inactive" });
    server
        .send(server.request(Method::PATCH, &path).json(&patch))
        .await
        .data();
    wait_for(&server, Value::Null).await;
    close(server, checks).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_is_well_while_it_answers() {
    let ground = Ground::s3();
    let server = ground.start().await;
    let checks = check(&server);
    wait_for(&server, json!("ok")).await;
    let Ground::S3(mut s3) = ground else {
        unreachable!()
    };
    s3.stop();
    let gone = wait_for(&server, json!("unreachable")).await;
    assert!(
        gone["lastHealthError"].as_str().unwrap().contains("bucket"),
        "{gone}"
    );
    close(server, checks).await;
}
