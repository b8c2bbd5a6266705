//! Every request that goes to an S3 is signed as it must be. The S3 of the other tests looks at no
//! signature; this one stands behind a server that does.

use crate::sigv4::Gate;
use crate::support::{BUCKET, Server};
use reqwest::Method;
use serde_json::json;
use testkit::S3Server;

/// What [`Server::s3_mount_body`] writes into the credentials file.
const KEY: (&str, &str) = ("access", "hush-hush");

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_request_is_signed_and_so_is_its_body() {
    let s3 = S3Server::start();
    s3.create_bucket(BUCKET);
    let gate = Gate::before(&s3, KEY).await;
    let mut server = Server::start().await;
    server.mount = gate.mount(&server, &s3).await.data()["id"]
        .as_i64()
        .unwrap();
    let odd = "d/ü +%20=&?#~'()*!.txt";
    let large = "0123456789abcdef".repeat(10 * 1024 * 1024 / 16);
    server.upload(odd, "odd").await.data();
    server.upload("large", &large).await.data();
    server.mkdir("empty").await.data();
    for path in ["d/1", "d/2", "d/3", "d/4", "d/5"] {
        server.upload(path, path).await.data();
    }
    server.assert_disk_agrees().await;
    assert_eq!(server.content(odd).await, "odd");
    let copy = json!({ "path": "d", "targetPath": "e f" });
    server
        .json(Method::POST, "/v1/nodes/copy", copy)
        .await
        .data();
    server.rename("e f", "g").await.data();
    server.delete("g", true).await.data();
    let id = server.by_path(odd).await.node_id();
    let presigned = server.get(&format!("/v1/files/{id}/presign")).await;
    let url = presigned.data()["url"].as_str().unwrap().to_owned();
    let got = server.client.get(&url).send().await.unwrap();
    assert_eq!(got.text().await.unwrap(), "odd");
    server.assert_disk_agrees().await;

    let looked = gate.looked();
    for (line, verdict) in &looked {
        assert_eq!(*verdict, Ok(()), "{line}");
    }
    let has = |what: &str| looked.iter().any(|(line, _)| line.contains(what));
    for what in [
        "GET /bucket/?",
        "continuation-token=",
        "delimiter=%2F",
        "HEAD /bucket/d/",
        "PUT /bucket/d/1",
        "PUT /bucket/empty/",
        "POST /bucket/large?uploads",
        "partNumber=2",
        "POST /bucket/large?uploadId=",
        "POST /bucket/?delete",
        "GET /bucket/d/",
        "X-Amz-Signature=",
    ] {
        assert!(has(what), "{what} in {looked:#?}");
    }
    // A URL is for one object, for a time, and unchanged.
    for changed in [
        url.replace("odd", "x").replace("/d/", "/e/"),
        url.replace("Expires=300", "Expires=301"),
    ] {
        let refused = server.client.get(&changed).send().await.unwrap();
        assert_eq!(refused.status(), 403, "{changed}");
    }
    server.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_secret_is_refused_and_says_so() {
    let s3 = S3Server::start();
    s3.create_bucket(BUCKET);
    let gate = Gate::before(&s3, (KEY.0, "another secret")).await;
    let server = Server::start().await;
    let refused = gate.mount(&server, &s3).await;
    assert_eq!(refused.problem().0, 400);
    assert!(
        refused.detail().contains("credentials are refused"),
        "{refused:?}"
    );
    assert!(gate.looked().iter().all(|(_, verdict)| verdict.is_err()));
    server.close().await;
}
