//! Hashes of files that changed while their size and modification time did not.

use crate::support::Server;
use filestore::Hashing;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

/// Rewrites a file of the same length, and puts its modification time back.
fn rewrite_secretly(path: &Path, text: &str) {
    let modified = path.metadata().unwrap().modified().unwrap();
    let file = File::options().write(true).open(path).unwrap();
    file.write_all_at(text.as_bytes(), 0).unwrap();
    file.set_modified(modified).unwrap();
}

/// A day ahead of the machine's: every file has been quiet for a long time.
#[derive(Debug)]
struct AheadClock;

impl journal::Clock for AheadClock {
    fn now(&self) -> journal::Time {
        let now = journal::SystemClock.now().as_millis();
        journal::Time::from_millis(now + 24 * 60 * 60 * 1_000)
    }
}

async fn with_an_upload(text: &str) -> (Server, PathBuf) {
    let dirs = Arc::new(tempfile::tempdir().unwrap());
    let server = Server::start_with(dirs, |options| options.clock = Arc::new(AheadClock)).await;
    server.upload("vault", text).await;
    server.scan().await;
    assert_eq!(
        hash_of(&server).await,
        blake3_of(text),
        "an upload is not in doubt"
    );
    let path = server.root.join("vault");
    (server, path)
}

fn blake3_of(text: &str) -> serde_json::Value {
    format!("blake3:{}", blake3::hash(text.as_bytes())).into()
}

async fn hash_of(server: &Server) -> serde_json::Value {
    server.by_path("vault").await.data()["contentHash"].clone()
}

async fn etag_of(server: &Server) -> String {
    let id = server.by_path("vault").await.node_id();
    // A download would be told in the journal, and a look at its headers is not.
    let path = format!("/v1/files/{id}/content");
    let answer = server.request(reqwest::Method::HEAD, &path).send().await;
    let headers = answer.unwrap().headers().clone();
    headers["etag"].to_str().unwrap().to_owned()
}

async fn wait_for_hash(server: &Server, wanted: &serde_json::Value) {
    testkit::wait_for_async("the hash", LONG, async || {
        let found = hash_of(server).await;
        if found == *wanted { Ok(()) } else { Err(found) }
    })
    .await;
}

#[tokio::test]
async fn contents_rewritten_with_the_old_time_put_back_lose_their_hash_and_get_a_new_one() {
    let (server, path) = with_an_upload("AAAA").await;
    let etag = etag_of(&server).await;
    rewrite_secretly(&path, "BBBB");
    assert_ne!(
        etag_of(&server).await,
        etag,
        "even before anybody has looked"
    );
    let head = server.head();
    assert_eq!(server.scan().await.changes.total(), 0);
    assert_eq!(hash_of(&server).await, serde_json::Value::Null);
    assert_eq!(server.told(head), [], "nobody knows yet whether it changed");
    assert_ne!(etag_of(&server).await, etag);
    let head = server.head();
    let hashing = Hashing::start(Arc::clone(&server.filestore)).unwrap();
    wait_for_hash(&server, &blake3_of("BBBB")).await;
    let told = server.told(head);
    assert_eq!(told, [crate::support::told("node.updated", "vault", 0)]);
    drop(hashing);
}

#[tokio::test]
async fn a_file_that_only_got_other_permissions_keeps_its_hash_and_that_is_all_that_is_told() {
    use std::os::unix::fs::PermissionsExt;
    let (server, path) = with_an_upload("AAAA").await;
    let (etag, head) = (etag_of(&server).await, server.head());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::hard_link(&path, server.dirs.path().join("outside")).unwrap();
    server.scan().await;
    let hashing = Hashing::start(Arc::clone(&server.filestore)).unwrap();
    wait_for_hash(&server, &blake3_of("AAAA")).await;
    assert_eq!(etag_of(&server).await, etag);
    let told = server.told(head).into_iter();
    let nodes: Vec<_> = told
        .filter(|(event, ..)| event.starts_with("node."))
        .collect();
    assert_eq!(nodes.len(), 1, "{nodes:?}");
    assert_eq!((nodes[0].0.as_str(), nodes[0].2), ("node.updated", 0));
    drop(hashing);
}

#[tokio::test]
async fn a_file_moved_by_a_command_is_not_in_doubt() {
    let (server, _) = with_an_upload("AAAA").await;
    server.rename("vault", "elsewhere").await;
    server.rename("elsewhere", "vault").await;
    server.scan().await;
    assert_eq!(hash_of(&server).await, blake3_of("AAAA"));
}
