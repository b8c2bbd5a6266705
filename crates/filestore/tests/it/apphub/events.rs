//! The stream of events.

use super::fits;
use crate::support::Server;
use futures::StreamExt;
use reqwest::Method;
use serde_json::Value;
use std::time::Duration;

/// As the SDK takes a stream apart: frames by a blank line, `event:` and `data:` lines in each.
fn frames(text: &str) -> Vec<(String, Value)> {
    let (whole, _) = text.rsplit_once("\n\n").unwrap_or_default();
    let frames = whole.split("\n\n").filter_map(|frame| {
        let lines = || frame.lines().filter(|line| !line.starts_with(':'));
        let event = lines().find_map(|line| line.strip_prefix("event:"))?;
        let data: Vec<_> = lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .map(str::trim)
            .collect();
        let data = serde_json::from_str(&data.join("\n")).ok()?;
        Some((event.trim().to_owned(), data))
    });
    frames.collect()
}

#[tokio::test]
async fn events_come_in_the_frames_that_the_sdk_takes_apart() {
    let server = Server::start().await;
    let query = format!(
        "/v1/events/stream?backendMountId={}&pathPrefix=a&events=filestore.node.created\
         &events=filestore.node.uploaded",
        server.mount
    );
    let request = server.sdk(Method::GET, &query);
    let response = request
        .header("Accept", "text/event-stream")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    server.mkdir("a").await.data();
    server.mkdir("b").await.data();
    server.upload("a/f", "1").await.data();
    let mut body = response.bytes_stream();
    let mut text = String::new();
    while frames(&text).len() < 2 {
        let piece = tokio::time::timeout(Duration::from_secs(30), body.next()).await;
        text.push_str(str::from_utf8(&piece.unwrap().unwrap().unwrap()).unwrap());
    }
    let frames = frames(&text);
    let seen: Vec<_> = frames
        .iter()
        .map(|(event, data)| (event.as_str(), data["data"]["path"].as_str().unwrap()))
        .collect();
    assert_eq!(
        seen,
        [
            ("filestore.node.created", "a"),
            ("filestore.node.uploaded", "a/f")
        ]
    );
    for (event, data) in &frames {
        assert_eq!(data["type"], *event);
        let payload = [
            ("backendMountId", "n"),
            ("nodeId", "n?"),
            ("path", "s"),
            ("kind", "s"),
            ("state", "s"),
            ("parentId", "n?"),
            ("version", "n?"),
            ("sizeBytes", "n?"),
            ("checksum", "s?"),
            ("contentHash", "s?"),
            ("metadata", "o"),
            ("journalId", "n"),
            ("command", "s"),
            ("idempotencyKey", "s?"),
            ("principal", "s?"),
            ("observedAt", "s"),
        ];
        fits(&data["data"], &payload);
    }
}
