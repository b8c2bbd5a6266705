//! What changes files.

use super::{fits_command, fits_node, fits_result, sdk_error};
use crate::support::Server;
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn directories_are_created_as_the_sdk_creates_them() {
    let server = Server::start().await;
    let body = json!({ "backendMountId": server.mount, "path": "reports/daily",
        "metadata": { "team": "sales" }, "idempotencyKey": "k1" });
    let create = || server.sdk_command(Method::POST, "/v1/directories", "k1", body.clone());
    let answer = create().await;
    let data = fits_command(&answer, 201);
    assert_eq!(data["idempotent"], false);
    assert_eq!(data["node"]["metadata"], json!({ "team": "sales" }));
    assert_eq!(data["node"]["kind"], "directory");
    let id = data["node"]["id"].clone();
    fits_result(data, "createDirectory");
    assert_eq!(data["result"]["path"], "reports/daily");
    assert_eq!(data["node"]["rollup"]["childCount"], 0);

    // The SDK retries with its key: the same answer, and no second effect.
    let again = create().await;
    let data = fits_command(&again, 200);
    assert_eq!(
        (&data["idempotent"], &data["node"]["id"]),
        (&json!(true), &id)
    );
    let other = json!({ "backendMountId": server.mount, "path": "other", "idempotencyKey": "k1" });
    let other = server.sdk_command(Method::POST, "/v1/directories", "k1", other);
    assert_eq!(sdk_error(&other.await), (409, "IDEMPOTENCY_CONFLICT"));

    // Its users make each directory on the way and pass over NODE_EXISTS.
    let exists =
        json!({ "backendMountId": server.mount, "path": "reports", "idempotencyKey": "k2" });
    let exists = server.sdk_command(Method::POST, "/v1/directories", "k2", exists);
    assert_eq!(sdk_error(&exists.await), (409, "NODE_EXISTS"));
}

#[tokio::test]
async fn files_are_uploaded_overwritten_and_downloaded() {
    let server = Server::start().await;
    let fields = [("metadata", r#"{"rows":3}"#), ("overwrite", "false")];
    let answer = server.sdk_upload("in/a.csv", "1,2,3\n", &fields).await;
    let data = fits_command(&answer, 201);
    assert_eq!(data["node"]["metadata"], json!({ "rows": 3 }));
    assert_eq!(data["node"]["sizeBytes"], 6);
    fits_result(data, "uploadFile");
    assert_eq!(data["result"]["sizeBytes"], 6);
    assert_eq!(data["result"].get("previousSizeBytes"), None);
    assert_eq!(data["node"]["download"]["supportsRange"], true);
    let url = data["node"]["download"]["streamUrl"]
        .as_str()
        .unwrap()
        .to_owned();

    let taken = server.sdk_upload("in/a.csv", "other", &[]).await;
    assert_eq!(sdk_error(&taken), (409, "NODE_EXISTS"));
    let replaced = server
        .sdk_upload("in/a.csv", "4,5\n", &[("overwrite", "true")])
        .await;
    let data = fits_command(&replaced, 200);
    assert_eq!(data["node"]["version"], 2);
    fits_result(data, "writeFile");
    assert_eq!(data["result"]["previousSizeBytes"], 6);
    assert_eq!(data["result"]["previousVersion"], 1);
    server.mkdir("in/d").await.data();
    let over = server
        .sdk_upload("in/d", "x", &[("overwrite", "true")])
        .await;
    assert_eq!(sdk_error(&over), (409, "NODE_EXISTS"));

    let range = server
        .request(Method::GET, &url)
        .header("Range", "bytes=0-2");
    let part = server.send(range).await;
    assert_eq!((part.status.as_u16(), part.text.as_str()), (206, "4,5"));
    assert_eq!(part.header("content-range"), "bytes 0-2/4");
    let outside = server
        .request(Method::GET, &url)
        .header("Range", "bytes=9-");
    assert_eq!(
        sdk_error(&server.send(outside).await),
        (416, "INVALID_REQUEST")
    );
    let whole = server.get(&url).await;
    assert_eq!((whole.status.as_u16(), whole.text.as_str()), (200, "4,5\n"));
    for header in ["etag", "last-modified", "accept-ranges", "content-length"] {
        assert!(whole.headers.contains_key(header), "{header}");
    }
    let directory = server.by_path("in/d").await.node_id();
    let none = server.get(&format!("/v1/files/{directory}/content")).await;
    assert_eq!(sdk_error(&none), (409, "INVALID_REQUEST"));
}

#[tokio::test]
async fn promised_checksums_are_kept_or_refused() {
    let server = Server::start().await;
    let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    for (header, value, expected) in [
        ("x-filestore-checksum", sha256.to_owned(), (201, "")),
        (
            "x-filestore-checksum",
            format!("sha256:{}", "0".repeat(64)),
            (422, "CHECKSUM_MISMATCH"),
        ),
        (
            "x-filestore-content-hash",
            "0".repeat(64),
            (422, "CHECKSUM_MISMATCH"),
        ),
        (
            "x-filestore-checksum",
            "crc32:12".to_owned(),
            (400, "INVALID_CHECKSUM"),
        ),
    ] {
        let answer = server
            .upload_with("f", "abc", &[], &[(header, &value)])
            .await;
        if expected.0 == 201 {
            let checksum = format!("sha256:{sha256}");
            assert_eq!(fits_command(&answer, 201)["node"]["checksum"], checksum);
        } else {
            assert_eq!(sdk_error(&answer), expected, "{header}: {value}");
        }
    }
}

#[tokio::test]
async fn nodes_are_moved_copied_patched_and_deleted() {
    let server = Server::start().await;
    server.upload("in/a.csv", "123").await.data();
    let body = |path: &str, target: &str, key: &str| {
        json!({ "backendMountId": server.mount, "path": path, "targetPath": target,
            "overwrite": false, "idempotencyKey": key })
    };
    let copy = server
        .sdk_command(
            Method::POST,
            "/v1/nodes/copy",
            "c",
            body("in/a.csv", "out/b.csv", "c"),
        )
        .await;
    let data = fits_command(&copy, 201);
    assert_eq!(data["node"]["path"], "out/b.csv");
    fits_result(data, "copyNode");
    assert_eq!(data["result"]["copiedFrom"], "in/a.csv");
    let onto = body("in/a.csv", "out/b.csv", "m");
    let onto = server
        .sdk_command(Method::POST, "/v1/nodes/move", "m", onto)
        .await;
    assert_eq!(sdk_error(&onto), (409, "NODE_EXISTS"));
    let moved = server
        .sdk_command(
            Method::POST,
            "/v1/nodes/move",
            "n",
            body("in/a.csv", "out/c.csv", "n"),
        )
        .await;
    let data = fits_command(&moved, 200);
    assert_eq!(data["node"]["path"], "out/c.csv");
    fits_result(data, "moveNode");
    assert_eq!(data["result"]["movedFrom"], "in/a.csv");
    let gone = body("in/a.csv", "out/d.csv", "g");
    let gone = server
        .sdk_command(Method::POST, "/v1/nodes/move", "g", gone)
        .await;
    assert_eq!(sdk_error(&gone), (404, "NODE_NOT_FOUND"));

    let id = data["node"]["id"].as_i64().unwrap();
    let patch =
        json!({ "backendMountId": server.mount, "set": { "a": 1, "b": 2 }, "unset": ["c"] });
    let path = format!("/v1/nodes/{id}/metadata");
    let patched = server.sdk_command(Method::PATCH, &path, "p", patch).await;
    assert_eq!(
        fits_command(&patched, 200)["node"]["metadata"],
        json!({ "a": 1, "b": 2 })
    );

    let server = &server;
    let delete = |path: &str, recursive: bool, key: &str| {
        let body = json!({ "backendMountId": server.mount, "path": path, "recursive": recursive,
            "idempotencyKey": key });
        let key = key.to_owned();
        async move {
            server
                .sdk_command(Method::DELETE, "/v1/nodes", &key, body)
                .await
        }
    };
    assert_eq!(
        sdk_error(&delete("out", false, "d1").await),
        (409, "CHILDREN_EXIST")
    );
    let deleted = delete("out", true, "d2").await;
    let data = fits_command(&deleted, 200);
    assert_eq!(data["node"]["state"], "deleted");
    fits_result(data, "deleteNode");
    // It is still found by its path, as what it is.
    let found = server.by_path("out").await;
    fits_node(found.data());
    assert_eq!(
        (&found.data()["id"], &found.data()["state"]),
        (&data["node"]["id"], &json!("deleted"))
    );
    assert!(data["node"]["deletedAt"].is_string());
    assert_eq!(
        sdk_error(&delete("out", true, "d3").await),
        (404, "NODE_NOT_FOUND")
    );
}
