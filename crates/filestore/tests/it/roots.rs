//! A mount's root that is not there, or is another directory than it was: most likely its disk is
//! not mounted. Nothing may be taken for gone, and nothing may be written to where it was.

use crate::support::Server;
use filestore::ScanOptions;
use reqwest::Method;
use serde_json::json;
use std::sync::Arc;

async fn populated() -> Server {
    let server = Server::start().await;
    testkit::tree(&server.root, "a/f 1\na/g 2");
    server.scan().await;
    server
}

async fn try_scan(server: &Server, accept_root: bool) -> Result<u64, String> {
    let (filestore, mount) = (Arc::clone(&server.filestore), server.mount);
    let scan = move || {
        let options = ScanOptions {
            accept_root,
            ..ScanOptions::default()
        };
        let report = filestore.scan(mount, &options);
        report
            .map(|report| report.changes.missing)
            .map_err(|error| error.to_string())
    };
    tokio::task::spawn_blocking(scan).await.unwrap()
}

async fn assert_all_known(server: &Server) {
    for path in ["a", "a/f", "a/g"] {
        assert_eq!(
            server.by_path(path).await.data()["state"],
            "active",
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_root_that_is_gone_makes_nothing_missing() {
    let server = populated().await;
    let away = server.dirs.path().join("away");
    std::fs::rename(&server.root, &away).unwrap();
    let error = try_scan(&server, false).await.unwrap_err();
    assert!(error.contains("cannot be opened"), "{error}");
    assert_all_known(&server).await;
    let id = server.by_path("a/f").await.node_id();
    let answers = [
        server.mkdir("b").await,
        server.upload("b", "x").await,
        server.delete("a", true).await,
        server.rename("a/f", "b").await,
        server.get(&format!("/v1/files/{id}/content")).await,
    ];
    for answer in answers {
        assert_eq!(answer.problem(), (503, "unavailable"), "{answer:?}");
        assert!(answer.detail().contains("mounted"), "{}", answer.detail());
    }
    assert!(!server.root.try_exists().unwrap());
    std::fs::rename(&away, &server.root).unwrap();
    server.assert_disk_agrees().await;
    server.mkdir("b").await.data();
}

#[tokio::test]
async fn a_root_that_is_another_directory_is_neither_scanned_nor_written_to() {
    let server = populated().await;
    let away = server.dirs.path().join("away");
    std::fs::rename(&server.root, &away).unwrap();
    std::fs::create_dir(&server.root).unwrap();
    let error = try_scan(&server, false).await.unwrap_err();
    assert!(error.contains("another directory"), "{error}");
    assert_all_known(&server).await;
    let copy = json!({ "path": "a", "targetPath": "b" });
    let answers = [
        server.mkdir("b").await,
        server.upload("b", "x").await,
        server.delete("a", true).await,
        server.rename("a/f", "b").await,
        server.json(Method::POST, "/v1/nodes/copy", copy).await,
    ];
    for answer in answers {
        assert_eq!(answer.problem(), (409, "conflict"), "{answer:?}");
        assert!(
            answer.detail().contains("acceptRoot"),
            "{}",
            answer.detail()
        );
    }
    assert!(
        server.names().is_empty(),
        "nothing is written to the wrong disk"
    );
    assert_all_known(&server).await;

    // Whoever means it says so.
    assert_eq!(try_scan(&server, true).await, Ok(3));
    server.mkdir("b").await.data();
    server.assert_disk_agrees().await;
}
