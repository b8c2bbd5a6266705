//! `GET /v1/events/stream`

use crate::support::Server;
use futures::StreamExt;
use reqwest::Method;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// A stream of frames.
struct Frames {
    response: std::pin::Pin<Box<dyn futures::Stream<Item = reqwest::Result<bytes::Bytes>> + Send>>,
    text: String,
}

#[derive(Debug, PartialEq)]
struct Frame {
    id: u64,
    event: String,
    data: Value,
}

impl Frames {
    async fn open(server: &Server, query: &str, last_event_id: Option<u64>) -> Self {
        let mut request = server.request(Method::GET, &format!("/v1/events/stream{query}"));
        if let Some(id) = last_event_id {
            request = request.header("Last-Event-ID", id.to_string());
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            response: Box::pin(response.bytes_stream()),
            text: String::new(),
        }
    }

    /// The next frame; `None` when the stream has ended.
    async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some((frame, rest)) = self.text.split_once("\n\n") {
                let (frame, rest) = (frame.to_owned(), rest.to_owned());
                self.text = rest;
                let field = |name: &str| {
                    frame
                        .lines()
                        .find_map(|line| line.strip_prefix(name))
                        .map(str::trim)
                };
                let Some(data) = field("data:") else { continue };
                return Some(Frame {
                    id: field("id:").unwrap().parse().unwrap(),
                    event: field("event:").unwrap().to_owned(),
                    data: serde_json::from_str(data).unwrap(),
                });
            }
            let bytes = tokio::time::timeout(Duration::from_secs(30), self.response.next());
            let bytes = bytes.await.expect("a frame in time")?.unwrap();
            self.text.push_str(str::from_utf8(&bytes).unwrap());
        }
    }

    async fn take(&mut self, count: usize) -> Vec<Frame> {
        let mut frames = Vec::new();
        while frames.len() < count {
            frames.push(self.next().await.unwrap());
        }
        frames
    }
}

#[tokio::test]
async fn events_come_as_they_happen_with_their_journal_ids() {
    let server = Server::start().await;
    server.mkdir("before").await.data();
    let head = server.head().get();
    let mut frames = Frames::open(&server, "", None).await;
    server.mkdir("a").await.data();
    let got = frames.take(2).await;
    assert_eq!(
        (got[0].id, got[0].event.as_str()),
        (head + 1, "filestore.node.created")
    );
    assert_eq!(got[0].data["type"], "filestore.node.created");
    assert_eq!(got[0].data["data"]["path"], "a");
    assert_eq!(
        (got[1].id, got[1].event.as_str()),
        (head + 2, "filestore.command.completed")
    );
    server.mkdir("b").await.data();
    assert_eq!(frames.take(1).await[0].data["data"]["path"], "b");
}

#[tokio::test]
async fn a_stream_goes_on_where_it_ended() {
    let server = Server::start().await;
    for name in ["a", "b", "c"] {
        server.mkdir(name).await.data();
    }
    let all = Frames::open(&server, "?after=0", None).await.take(7).await;
    assert_eq!(
        all.iter().map(|frame| frame.id).collect::<Vec<_>>(),
        (1..=7).collect::<Vec<_>>()
    );
    let rest = Frames::open(&server, "", Some(4)).await.take(3).await;
    assert_eq!(rest, all[4..]);
}

#[tokio::test]
async fn filters_choose_by_type_path_and_mount() {
    let server = Server::start().await;
    server.upload("d/f", "1").await.data();
    server.mkdir("dd").await.data();
    server.rename("d", "e").await.data();
    server.mkdir("last").await.data();
    let mut typed = Frames::open(&server, "?after=0&events=filestore.node.moved", None).await;
    let got = typed.take(2).await;
    assert_eq!(got[0].data["data"]["path"], "e");
    assert_eq!(got[1].data["data"]["path"], "e/f");
    let types = "?after=0&events=filestore.node.uploaded&events=filestore.node.moved";
    let got = Frames::open(&server, types, None).await.take(3).await;
    assert_eq!(got[0].event, "filestore.node.uploaded");

    // A move is told to who watches either end; a name that begins alike is another name.
    let mut below = Frames::open(&server, "?after=0&pathPrefix=/d", None).await;
    let got = below.take(5).await;
    let shown: Vec<_> = got
        .iter()
        .map(|frame| {
            (
                &frame.event["filestore.".len()..],
                frame.data["data"]["path"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("node.created", "d"),
            ("node.uploaded", "d/f"),
            ("command.completed", "d/f"),
            ("node.moved", "e"),
            ("node.moved", "e/f"),
        ]
    );
    let other = format!("?after=0&backendMountId={}", server.mount + 1);
    let mut other = Frames::open(&server, &other, None).await;
    let root = server.dirs.path().join("second");
    std::fs::create_dir(&root).unwrap();
    let filestore = Arc::clone(&server.filestore);
    let made = move || filestore.ensure_local_mount(&root).unwrap();
    let second = tokio::task::spawn_blocking(made).await.unwrap();
    let got = other.take(1).await;
    assert_eq!(got[0].data["data"]["backendMountId"], second.id);
    let bad = server.get("/v1/events/stream?pathPrefix=..").await;
    assert_eq!(bad.problem(), (400, "invalid_path"));
}

#[tokio::test]
async fn a_stream_ends_when_the_service_stops() {
    let server = Server::start().await;
    let mut frames = Frames::open(&server, "", None).await;
    let ended = tokio::spawn(async move { frames.next().await });
    server.close().await;
    assert_eq!(ended.await.unwrap(), None);
}

/// What this process holds in memory, in bytes.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: u64 = line
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    kib * 1_024
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_do_not_read_hold_no_memory_and_miss_nothing() {
    const CLIENTS: usize = 40;
    const COMMANDS: usize = 150;
    let server = Server::start().await;
    let id = server.upload("f", "1").await.node_id();
    let first = server.head().get();
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(Frames::open(&server, "", None).await);
    }
    let metadata = format!("/v1/nodes/{id}/metadata");
    let text = "x".repeat(200_000);
    let before = resident_bytes();
    for number in 0..COMMANDS {
        let set = serde_json::json!({ "set": { "text": text, "number": number } });
        server.json(Method::PATCH, &metadata, set).await.data();
    }
    // Two entries a command, each with all the metadata: 60 MB for each client that reads.
    let grown = resident_bytes().saturating_sub(before);
    let unread = (CLIENTS * COMMANDS * 2 * text.len()) as u64;
    assert!(
        grown < unread / 8,
        "{grown} bytes more in memory, of {unread} unread"
    );
    let last = server.head().get();
    let count = usize::try_from(last - first).unwrap();
    let mut client = clients.pop().unwrap();
    drop(clients);
    let ids: Vec<_> = client
        .take(count)
        .await
        .iter()
        .map(|frame| frame.id)
        .collect();
    assert_eq!(ids, (first + 1..=last).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_id_that_is_trimmed_is_told_before_the_stream_begins() {
    let server = Server::start().await;
    for name in ["a", "b", "c"] {
        server.mkdir(name).await.data();
    }
    let filestore = Arc::clone(&server.filestore);
    let trim = move || filestore.trim_journal(journal::JournalId::new(4)).unwrap();
    tokio::task::spawn_blocking(trim).await.unwrap();
    let request = server.request(Method::GET, "/v1/events/stream");
    let answer = server.send(request.header("Last-Event-ID", "2")).await;
    assert_eq!(answer.problem(), (410, "journal_trimmed"));
    let request = server.request(Method::GET, "/v1/events/stream");
    let answer = server.send(request.header("Last-Event-ID", "99")).await;
    assert_eq!(answer.problem(), (409, "journal_mismatch"));
    let request = server.request(Method::GET, "/v1/events/stream");
    let answer = server.send(request.header("Last-Event-ID", "x")).await;
    assert_eq!(answer.problem(), (400, "invalid_request"));
    let mut frames = Frames::open(&server, "", Some(4)).await;
    assert_eq!(frames.take(1).await[0].id, 5);
}
