//! `/v1/journal`, `/v1/snapshot`, and the reader in process.

use crate::support::{Answered, Server};
use filestore::{Filestore, OpenError, Options};
use journal::{Digest, Entry, Envelope, JournalId, SnapshotNode, chain, conformance};
use reqwest::Method;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn open(data: &std::path::Path) -> Arc<Filestore> {
    Filestore::open(Options::new(data)).unwrap()
}

/// Appends `count` entries: directories that are found by mounting them.
fn append(filestore: &Filestore, dirs: &std::path::Path, count: usize) {
    for _ in 0..count {
        let root = dirs.join(format!("mount-{}", filestore.mounts().unwrap().len()));
        std::fs::create_dir(&root).unwrap();
        filestore.ensure_local_mount(&root).unwrap();
    }
}

#[test]
fn the_reader_in_process_keeps_the_contract() {
    let dirs = tempfile::tempdir().unwrap();
    let filestore = open(&dirs.path().join("data"));
    let reader = filestore.reader();
    conformance::check(&*reader, |count| append(&filestore, dirs.path(), count));
    filestore.trim_journal(JournalId::new(3)).unwrap();
    conformance::check_trimmed(&*reader);
    conformance::check(&*reader, |count| append(&filestore, dirs.path(), count));
    let head = reader.position().unwrap().head;
    assert_eq!(filestore.trim_journal(JournalId::MAX).unwrap(), head);
    conformance::check_trimmed(&*reader);
    filestore.close();

    let filestore = open(&dirs.path().join("data"));
    let reader = filestore.reader();
    assert_eq!(
        reader.position().unwrap().trimmed,
        head,
        "all trimmed, and still known"
    );
    conformance::check(&*reader, |count| append(&filestore, dirs.path(), count));
    filestore.close();
}

#[test]
fn waiting_ends_when_something_is_committed() {
    let dirs = tempfile::tempdir().unwrap();
    let filestore = open(&dirs.path().join("data"));
    let reader = filestore.reader();
    let head = reader.position().unwrap().head;
    let waiting = std::thread::spawn(move || {
        let started = Instant::now();
        (
            reader.wait(head, Duration::from_secs(60)).unwrap(),
            started.elapsed(),
        )
    });
    append(&filestore, dirs.path(), 1);
    let (position, waited) = waiting.join().unwrap();
    assert_eq!(position.head, head.next());
    assert!(waited < Duration::from_secs(30));
    filestore.close();
}

#[test]
fn a_data_directory_has_one_holder() {
    let dirs = tempfile::tempdir().unwrap();
    let filestore = open(dirs.path());
    let error = Filestore::open(Options::new(dirs.path())).unwrap_err();
    assert!(matches!(error, OpenError::InUse { .. }));
    let (directory, pid) = (dirs.path().display(), std::process::id());
    assert_eq!(
        error.to_string(),
        format!("data directory {directory} is in use by another process (pid {pid})")
    );
    filestore.close();
    open(dirs.path()).close();
}

#[test]
fn a_damaged_journal_is_refused() {
    let dirs = tempfile::tempdir().unwrap();
    let damage = |number: usize, sql: &str, reason: &str| {
        let data = dirs.path().join(format!("data-{number}"));
        let filestore = open(&data);
        let roots = dirs.path().join(format!("roots-{number}"));
        std::fs::create_dir(&roots).unwrap();
        append(&filestore, &roots, 5);
        filestore.close();
        open(&data).close();
        let database = rusqlite::Connection::open(data.join("filestore.db")).unwrap();
        database.execute_batch(sql).unwrap();
        drop(database);
        let error = Filestore::open(Options::new(&data)).unwrap_err();
        assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains(reason), "{error}");
    };
    damage(
        1,
        "DELETE FROM journal WHERE journal_id = 5",
        "its last entry is 4",
    );
    damage(
        2,
        "DELETE FROM journal WHERE journal_id = 3",
        "3 was expected, 4 was read",
    );
    damage(
        3,
        "UPDATE journal SET size_delta = 1 WHERE journal_id = 2",
        "journal entry 2",
    );
    damage(
        4,
        "UPDATE journal SET data = '{}' WHERE journal_id = 5",
        "journal entry 5",
    );
    damage(
        5,
        "UPDATE journal_meta SET head_digest = trimmed_digest",
        "another digest",
    );
}

#[test]
fn a_catalogue_of_a_later_version_is_refused() {
    let dirs = tempfile::tempdir().unwrap();
    open(dirs.path()).close();
    let database = rusqlite::Connection::open(dirs.path().join("filestore.db")).unwrap();
    database.pragma_update(None, "user_version", 99).unwrap();
    drop(database);
    let error = Filestore::open(Options::new(dirs.path())).unwrap_err();
    assert!(error.to_string().contains("schema version 99"), "{error}");
}

fn lines(answer: &Answered) -> Vec<Entry> {
    let envelope = |line: &str| {
        serde_json::from_str::<Envelope<'_>>(line)
            .unwrap()
            .into_entry()
            .unwrap()
    };
    answer.text.lines().map(envelope).collect()
}

#[tokio::test]
async fn the_journal_is_read_in_pages_of_envelopes() {
    let server = Server::start().await;
    for name in ["a", "b", "c"] {
        server.mkdir(name).await.data();
    }
    let position = server.filestore.reader().position().unwrap();
    let mut after = JournalId::ZERO;
    let mut digest = Digest::genesis(position.epoch);
    loop {
        let page = server
            .get(&format!("/v1/journal?after={after}&limit=3"))
            .await;
        assert_eq!(page.header("content-type"), "application/x-ndjson");
        assert_eq!(page.header("tidemark-epoch"), position.epoch.to_string());
        assert_eq!(page.header("tidemark-head"), position.head.to_string());
        assert_eq!(page.header("tidemark-trimmed"), "0");
        assert_eq!(page.header("tidemark-after-digest"), digest.to_string());
        let entries = lines(&page);
        assert!(entries.len() <= 3);
        digest = chain::verify(after, digest, &entries).unwrap();
        match entries.last() {
            Some(last) => after = last.id,
            None => break,
        }
    }
    assert_eq!(after, position.head);
    let past = server.get("/v1/journal?after=999").await;
    assert!(past.headers.get("tidemark-after-digest").is_none());
    assert_eq!(past.text, "");
    let bad = server.get("/v1/journal?after=minus").await;
    assert_eq!(bad.problem(), (400, "invalid_request"));
    assert_eq!(bad.body["errors"][0]["pointer"], "/after");
}

#[tokio::test]
async fn a_long_poll_ends_with_the_next_entry() {
    let server = Server::start().await;
    let head = server.head();
    let path = format!("/v1/journal?after={head}&waitMs=60000");
    let started = Instant::now();
    let (page, made) = tokio::join!(server.get(&path), server.mkdir("a"));
    made.data();
    assert_eq!(lines(&page)[0].id, head.next());
    assert!(started.elapsed() < Duration::from_secs(30));
    let quiet = server
        .get(&format!("/v1/journal?after={}&waitMs=10", server.head()))
        .await;
    assert!(lines(&quiet).is_empty());
}

#[tokio::test]
async fn what_is_trimmed_is_gone_and_the_snapshot_goes_on_from_there() {
    let server = Server::start().await;
    server.upload("d/f", "123").await.data();
    let (filestore, to) = (Arc::clone(&server.filestore), JournalId::new(2));
    tokio::task::spawn_blocking(move || filestore.trim_journal(to).unwrap())
        .await
        .unwrap();
    let gone = server.get("/v1/journal?after=1").await;
    assert_eq!(gone.problem(), (410, "journal_trimmed"));
    let headers = server.get("/v1/journal?after=1&limit=0").await;
    assert_eq!(headers.header("tidemark-trimmed"), "2");
    assert!(headers.headers.get("tidemark-after-digest").is_none());
    let after = server.get("/v1/journal?after=2").await;
    let before = after.header("tidemark-after-digest").parse().unwrap();
    let last = chain::verify(to, before, &lines(&after)).unwrap();
    let stream = server
        .request(Method::GET, "/v1/events/stream")
        .header("Last-Event-ID", "1");
    assert_eq!(
        server.send(stream).await.problem(),
        (410, "journal_trimmed")
    );

    let snapshot = server.get("/v1/snapshot").await;
    assert_eq!(
        snapshot.header("tidemark-journal-id"),
        server.head().to_string()
    );
    assert_eq!(snapshot.header("tidemark-digest"), last.to_string());
    assert_eq!(
        snapshot.header("tidemark-epoch"),
        headers.header("tidemark-epoch")
    );
    let text = &snapshot.text;
    let nodes: Vec<SnapshotNode> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let shown: Vec<_> = nodes
        .iter()
        .map(|node| (node.path.as_str(), node.size_bytes.unwrap()))
        .collect();
    assert_eq!(shown, [("", 0), ("d", 0), ("d/f", 3)]);
    assert!(
        nodes
            .windows(2)
            .all(|pair| pair[0].node_id < pair[1].node_id)
    );
}

#[tokio::test]
async fn a_snapshot_does_not_move_while_it_is_read() {
    let server = Server::start().await;
    server.mkdir("a").await.data();
    let reader = server.filestore.reader();
    let snapshot = reader.snapshot().unwrap();
    let at = snapshot.journal_id;
    server.mkdir("b").await.data();
    server.delete("a", false).await.data();
    let paths: Vec<_> = snapshot.nodes.map(|node| node.unwrap().path).collect();
    assert_eq!(paths, ["", "a"]);
    assert!(server.head() > at);
}

#[tokio::test(flavor = "multi_thread")]
async fn journal_and_snapshot_come_compressed_to_whoever_takes_zstd() {
    let server = Server::start().await;
    for name in 0..1_500 {
        std::fs::write(server.root.join(name.to_string()), "x").unwrap();
    }
    server.scan().await;
    for path in ["/v1/journal?limit=10000", "/v1/snapshot"] {
        let plain = server.get(path).await;
        assert_eq!(plain.header("vary"), "accept-encoding");
        assert!(plain.headers.get("content-encoding").is_none());
        let asked = server
            .request(Method::GET, path)
            .header("accept-encoding", "gzip, zstd;q=0.5");
        let answer = asked.send().await.unwrap().error_for_status().unwrap();
        assert_eq!(answer.headers()["content-encoding"], "zstd");
        assert_eq!(answer.headers()["content-type"], "application/x-ndjson");
        let body = answer.bytes().await.unwrap();
        assert!(body.len() * 5 < plain.text.len(), "{}", body.len());
        let text = zstd::decode_all(&*body).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), plain.text);
    }
}
