//! Uploads.

use crate::support::{Server, told};
use reqwest::multipart::{Form, Part};
use reqwest::{Method, StatusCode};
use serde_json::json;

const SHA256_ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const BLAKE3_ABC: &str = "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85";

#[tokio::test]
async fn an_upload_is_there_whole_with_its_digests() {
    let server = Server::start().await;
    let before = server.head();
    let checksum = format!("sha256:{SHA256_ABC}");
    let headers = [("X-Filestore-Checksum", SHA256_ABC)];
    let answer = server
        .upload_with("d/f.txt", "abc", &[("metadata", r#"{"k":"v"}"#)], &headers)
        .await;
    assert_eq!(answer.status, StatusCode::CREATED);
    let node = &answer.data()["node"];
    assert_eq!(node["sizeBytes"], 3);
    assert_eq!(node["checksum"], checksum);
    assert_eq!(node["contentHash"], format!("blake3:{BLAKE3_ABC}"));
    assert_eq!(node["metadata"], json!({ "k": "v" }));
    assert!(node["lastModifiedAt"].is_string());
    assert_eq!(
        std::fs::read_to_string(server.root.join("d/f.txt")).unwrap(),
        "abc"
    );
    assert_eq!(
        server.told(before),
        [
            told("node.created", "d", 0),
            told("node.uploaded", "d/f.txt", 3),
            told("command.completed", "d/f.txt", 0)
        ]
    );
    assert_eq!(server.names(), ["d"], "nothing but the file");
    server.assert_disk_agrees().await;
}

#[tokio::test]
async fn a_wrong_checksum_leaves_nothing_behind() {
    let server = Server::start().await;
    let head = server.head();
    for header in ["X-Filestore-Checksum", "X-Filestore-Content-Hash"] {
        for wrong in [
            format!("sha256:{}", "0".repeat(64)),
            format!("sha1:{}", "0".repeat(40)),
            format!("md5:{}", "0".repeat(32)),
        ] {
            let answer = server
                .upload_with("f", "abc", &[], &[(header, &wrong)])
                .await;
            assert_eq!(answer.problem(), (422, "checksum_mismatch"));
            assert!(answer.detail().contains(&wrong), "{}", answer.detail());
        }
    }
    let answer = server
        .upload_with("f", "abc", &[], &[("X-Filestore-Checksum", "crc:12")])
        .await;
    assert_eq!(answer.problem(), (400, "invalid_request"));
    assert_eq!(server.head(), head);
    assert!(server.names().is_empty());
    assert_eq!(server.by_path("f").await.problem(), (404, "not_found"));
}

#[tokio::test]
async fn an_overwrite_is_the_same_node_with_its_size_before() {
    let server = Server::start().await;
    let id = server.upload("f", "12345").await.node_id();
    assert_eq!(
        server.upload("f", "1").await.problem(),
        (409, "already_exists")
    );
    let before = server.head();
    let answer = server
        .upload_with("f", "12", &[("overwrite", "true")], &[])
        .await;
    assert_eq!(answer.node_id(), id);
    assert_eq!(answer.data()["node"]["version"], 2);
    assert_eq!(answer.data()["result"]["overwritten"], true);
    assert_eq!(server.told(before)[0], told("node.uploaded", "f", -3));
    let data: serde_json::Value =
        serde_json::from_str(server.entries(before)[0].data.get()).unwrap();
    assert_eq!(
        (&data["previousSizeBytes"], &data["sizeDelta"]),
        (&json!(5), &json!(-3))
    );
    server.mkdir("d").await.data();
    let onto = server
        .upload_with("d", "12", &[("overwrite", "true")], &[])
        .await;
    assert_eq!(onto.problem(), (409, "wrong_kind"));
    let under = server.upload("f/g", "12").await;
    assert_eq!(under.problem(), (409, "wrong_kind"));
    assert_eq!(server.names(), ["d", "f"]);
    server.assert_disk_agrees().await;
}

#[tokio::test]
async fn the_fields_may_come_after_the_file() {
    let server = Server::start().await;
    let form = Form::new()
        .part("file", Part::bytes(vec![7; 3_000_000]).file_name("x"))
        .text("path", "late")
        .text("backendMountId", server.mount.to_string());
    let answer = server
        .send(server.request(Method::POST, "/v1/files").multipart(form))
        .await;
    assert_eq!(answer.data()["node"]["sizeBytes"], 3_000_000);
    assert_eq!(
        std::fs::read(server.root.join("late")).unwrap(),
        vec![7; 3_000_000]
    );
    server.assert_disk_agrees().await;
}

#[tokio::test]
async fn incomplete_forms_are_refused_by_field() {
    let server = Server::start().await;
    let file = || Part::text("x").file_name("x");
    let id = server.mount.to_string();
    let cases = [
        (
            Form::new()
                .text("path", "f")
                .text("backendMountId", id.clone()),
            "/file",
        ),
        (
            Form::new().text("path", "f").part("file", file()),
            "/backendMountId",
        ),
        (
            Form::new()
                .text("backendMountId", id.clone())
                .part("file", file()),
            "/path",
        ),
        (
            Form::new()
                .text("backendMountId", "x")
                .text("path", "f")
                .part("file", file()),
            "/backendMountId",
        ),
        (
            Form::new()
                .text("backendMountId", id.clone())
                .text("path", "f")
                .text("metadata", "[]")
                .part("file", file()),
            "/metadata",
        ),
        (
            Form::new()
                .text("backendMountId", id.clone())
                .text("path", "f")
                .text("overwrite", "perhaps")
                .part("file", file()),
            "/overwrite",
        ),
    ];
    for (form, pointer) in cases {
        let answer = server
            .send(server.request(Method::POST, "/v1/files").multipart(form))
            .await;
        assert_eq!(answer.problem(), (400, "invalid_request"), "{answer:?}");
        assert_eq!(answer.body["errors"][0]["pointer"], pointer, "{answer:?}");
    }
    let answer = server.json(Method::POST, "/v1/files", json!({})).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
    assert!(server.names().is_empty());
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing_behind() {
    let server = Server::start().await;
    let head = server.head();
    let pieces = futures::stream::iter([
        Ok(bytes::Bytes::from(vec![1; 100_000])),
        Err(std::io::Error::other("the client goes away")),
    ]);
    let form = Form::new()
        .text("backendMountId", server.mount.to_string())
        .text("path", "f")
        .part(
            "file",
            Part::stream(reqwest::Body::wrap_stream(pieces)).file_name("x"),
        );
    server
        .request(Method::POST, "/v1/files")
        .multipart(form)
        .send()
        .await
        .unwrap_err();
    // The connection is gone; another request shows that the server is not.
    assert_eq!(server.by_path("f").await.problem(), (404, "not_found"));
    assert!(server.names().is_empty());
    assert_eq!(server.head(), head);
}
