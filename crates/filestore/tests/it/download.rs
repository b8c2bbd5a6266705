//! `GET /v1/files/{id}/content`

use crate::support::Server;
use reqwest::{Method, StatusCode};
use std::time::Duration;
use testkit::wait_for_async;

async fn fetch(server: &Server, id: i64, headers: &[(&str, &str)]) -> reqwest::Response {
    let mut request = server.request(Method::GET, &format!("/v1/files/{id}/content"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

#[tokio::test]
async fn contents_come_whole_or_in_ranges() {
    let server = Server::start().await;
    let answer = server.upload("f.txt", "0123456789").await;
    let (id, hash) = (
        answer.node_id(),
        answer.data()["node"]["contentHash"].clone(),
    );
    let whole = fetch(&server, id, &[]).await;
    assert_eq!(whole.status(), StatusCode::OK);
    let etag = whole.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(etag, format!("\"{}\"", hash.as_str().unwrap()));
    assert_eq!(whole.headers()["content-length"], "10");
    assert_eq!(whole.headers()["accept-ranges"], "bytes");
    assert_eq!(
        whole.headers()["x-filestore-content-hash"],
        hash.as_str().unwrap()
    );
    assert_eq!(
        whole.headers()["content-disposition"],
        "attachment; filename=\"f.txt\"; filename*=UTF-8''f.txt"
    );
    assert!(
        whole.headers()["last-modified"]
            .to_str()
            .unwrap()
            .ends_with(" GMT")
    );
    assert_eq!(whole.text().await.unwrap(), "0123456789");

    for (range, content_range, text) in [
        ("bytes=0-3", "bytes 0-3/10", "0123"),
        ("bytes=7-", "bytes 7-9/10", "789"),
        ("bytes=-2", "bytes 8-9/10", "89"),
        ("bytes=5-500", "bytes 5-9/10", "56789"),
    ] {
        let part = fetch(&server, id, &[("range", range)]).await;
        assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(part.headers()["content-range"], content_range);
        assert_eq!(part.headers()["content-length"], text.len().to_string());
        assert_eq!(part.text().await.unwrap(), text);
    }
    let outside = fetch(&server, id, &[("range", "bytes=10-")]).await;
    assert_eq!(outside.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(outside.headers()["content-range"], "bytes */10");

    let known = fetch(&server, id, &[("if-none-match", &etag)]).await;
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
    let meant = fetch(&server, id, &[("range", "bytes=0-0"), ("if-range", &etag)]).await;
    assert_eq!(meant.status(), StatusCode::PARTIAL_CONTENT);
    let other = fetch(
        &server,
        id,
        &[("range", "bytes=0-0"), ("if-range", "\"other\"")],
    )
    .await;
    assert_eq!(other.status(), StatusCode::OK);
    let unmet = fetch(&server, id, &[("if-match", "\"other\"")]).await;
    assert_eq!(unmet.status(), StatusCode::PRECONDITION_FAILED);
}

#[tokio::test]
async fn contents_are_conditional_by_date_too() {
    let server = Server::start().await;
    let id = server.upload("f.txt", "0123456789").await.node_id();
    let whole = fetch(&server, id, &[]).await;
    let date = whole.headers()["last-modified"]
        .to_str()
        .unwrap()
        .to_owned();
    let long_ago = "Mon, 01 Jan 2001 00:00:00 GMT";
    for (headers, status) in [
        ([("if-modified-since", &*date)], 304),
        ([("if-modified-since", long_ago)], 200),
        ([("if-unmodified-since", &*date)], 200),
        ([("if-unmodified-since", long_ago)], 412),
    ] {
        let answer = fetch(&server, id, &headers).await;
        assert_eq!(answer.status(), status, "{headers:?}");
    }
    let part = fetch(&server, id, &[("range", "bytes=0-0"), ("if-range", &date)]).await;
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);

    let file = std::fs::File::options()
        .write(true)
        .open(server.root.join("f.txt"))
        .unwrap();
    let modified = file.metadata().unwrap().modified().unwrap();
    let later = modified + Duration::from_secs(100_000);
    file.set_modified(later).unwrap();
    let future = fetch(&server, id, &[]).await;
    // The time is more than a day ahead; a day is the start of both headers.
    let day = |name: &str| future.headers()[name].to_str().unwrap()[..16].to_owned();
    assert_eq!(day("last-modified"), day("date"));
}

#[tokio::test]
async fn a_file_changed_behind_our_back_comes_as_it_is_and_without_old_digests() {
    let server = Server::start().await;
    let id = server.upload("f", "0123456789").await.node_id();
    let etag = fetch(&server, id, &[]).await.headers()["etag"].clone();
    std::fs::write(server.root.join("f"), "changed").unwrap();
    let now = fetch(&server, id, &[]).await;
    assert_ne!(now.headers()["etag"], etag);
    assert_eq!(now.headers()["content-length"], "7");
    assert!(!now.headers().contains_key("x-filestore-content-hash"));
    assert_eq!(now.text().await.unwrap(), "changed");
    std::fs::remove_file(server.root.join("f")).unwrap();
    assert_eq!(
        server
            .get(&format!("/v1/files/{id}/content"))
            .await
            .problem(),
        (409, "conflict")
    );
    server.delete("f", false).await.data();
    assert_eq!(
        server
            .get(&format!("/v1/files/{id}/content"))
            .await
            .problem(),
        (404, "not_found")
    );
    assert_eq!(
        server.get("/v1/files/999/content").await.problem(),
        (404, "not_found")
    );
}

#[tokio::test]
async fn only_regular_files_have_contents() {
    let server = Server::start().await;
    let directory = server.mkdir("d").await.node_id();
    let path = format!("/v1/files/{directory}/content");
    assert_eq!(server.get(&path).await.problem(), (409, "wrong_kind"));
    // A pipe that took a file's place must not make anybody wait for a writer.
    let id = server.upload("f", "1").await.node_id();
    std::fs::remove_file(server.root.join("f")).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(server.root.join("f"))
        .status()
        .unwrap();
    assert!(made.success());
    assert_eq!(
        server
            .get(&format!("/v1/files/{id}/content"))
            .await
            .problem(),
        (409, "unsupported")
    );
}

#[tokio::test]
async fn a_download_is_told_and_a_head_request_is_not() {
    let server = Server::start().await;
    let id = server.upload("f", "0123456789").await.node_id();
    let before = server.head();
    let head = server.request(Method::HEAD, &format!("/v1/files/{id}/content"));
    let head = head.send().await.unwrap();
    assert_eq!(head.headers()["content-length"], "10");
    let request = server
        .request(Method::GET, &format!("/v1/files/{id}/content"))
        .header("X-Request-Principal", "bob")
        .header("Range", "bytes=0-1");
    request.send().await.unwrap();
    wait_for_async("the download's entry", Duration::from_secs(10), || async {
        !server.entries(before).is_empty()
    })
    .await;
    let entries = server.entries(before);
    assert_eq!(entries.len(), 1);
    let data: serde_json::Value = serde_json::from_str(entries[0].data.get()).unwrap();
    assert_eq!(entries[0].event_type.as_str(), "filestore.node.downloaded");
    assert_eq!(data["principal"], "bob");
    assert_eq!(
        (data["mode"].as_str(), data["range"].as_str()),
        (Some("stream"), Some("bytes=0-1"))
    );
}

#[tokio::test]
async fn large_contents_are_streamed() {
    let server = Server::start().await;
    let content = "0123456789abcdef".repeat(400_000);
    let id = server.upload("large", &content).await.node_id();
    let got = fetch(&server, id, &[]).await.text().await.unwrap();
    assert!(
        got == content,
        "{} bytes instead of {}",
        got.len(),
        content.len()
    );
}
