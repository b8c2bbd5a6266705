//! Content hashes in the background, by the mount's policy.

use crate::support::{BUCKET, Ground, Server};
use filestore::{Filestore, Hashing, Options};
use journal::{Clock, JournalId, Time};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

/// A day ahead of the machine's: every file has been quiet for a long time.
const AHEAD_MS: i64 = 24 * 60 * 60 * 1_000;

#[derive(Debug)]
struct AheadClock;

impl Clock for AheadClock {
    fn now(&self) -> Time {
        Time::from_millis(journal::SystemClock.now().as_millis() + AHEAD_MS)
    }
}

/// Goes on by hand only.
#[derive(Debug)]
struct HandClock(AtomicI64);

impl HandClock {
    fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(AheadClock.now().as_millis())))
    }

    fn turn(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Time {
        Time::from_millis(self.0.load(Ordering::SeqCst))
    }
}

async fn start(ground: &Ground, clock: Arc<dyn Clock>) -> (Server, Hashing) {
    start_in(ground, Arc::new(tempfile::tempdir().unwrap()), clock).await
}

async fn start_in(
    ground: &Ground,
    dirs: Arc<tempfile::TempDir>,
    clock: Arc<dyn Clock>,
) -> (Server, Hashing) {
    let change = |options: &mut Options| options.clock = clock;
    let server = ground.start_with(dirs, change).await;
    let hashing = Hashing::start(Arc::clone(&server.filestore)).unwrap();
    (server, hashing)
}

/// Ends both as the process would.
async fn close(server: Server, hashing: Hashing) -> Arc<tempfile::TempDir> {
    tokio::task::spawn_blocking(move || drop(hashing))
        .await
        .unwrap();
    server.close().await
}

async fn patch(server: &Server, patch: Value) -> Value {
    let path = format!("/v1/backend-mounts/{}", server.mount);
    let answer = server.send(server.request(Method::PATCH, &path).json(&patch));
    answer.await.data().clone()
}

async fn set_policy(server: &Server, hashing: Value) {
    let path = format!("/v1/backend-mounts/{}", server.mount);
    let mut config = server.get(&path).await.data()["config"].clone();
    config["hashing"] = hashing;
    patch(server, json!({ "config": config })).await;
}

async fn status(server: &Server) -> Value {
    let path = format!("/v1/backend-mounts/{}", server.mount);
    server.get(&path).await.data()["hashing"].clone()
}

async fn wait_until(
    server: &Server,
    what: &str,
    is_so: impl Fn(&Value) -> bool + Send + Sync,
) -> Value {
    testkit::wait_for_async(what, LONG, async || {
        let status = status(server).await;
        if is_so(&status) {
            Ok(status)
        } else {
            Err(status)
        }
    })
    .await
}

/// Turns the clock on, a little at a time: what is saved up is bounded.
async fn turn_until(
    server: &Server,
    clock: &HandClock,
    is_so: impl Fn(&Value) -> bool + Send + Sync,
) -> Value {
    wait_until(server, "time to do it", |status| {
        clock.turn(100);
        is_so(status)
    })
    .await
}

async fn wait_until_hashed(server: &Server, path: &str, content: &str) {
    let wanted = json!(format!("blake3:{}", blake3::hash(content.as_bytes())));
    testkit::wait_for_async("the hash", LONG, async || {
        let node = server.by_path(path).await;
        let hash = node.data()["contentHash"].clone();
        if hash == wanted { Ok(()) } else { Err(node) }
    })
    .await;
}

/// What the command `hash` told, by path.
fn told(server: &Server) -> HashMap<String, Vec<Value>> {
    let mut told: HashMap<String, Vec<Value>> = HashMap::new();
    for entry in server.entries(JournalId::ZERO) {
        let data: Value = serde_json::from_str(entry.data.get()).unwrap();
        if data["command"] == "hash" {
            assert_eq!(entry.event_type.as_str(), "filestore.node.updated");
            assert_eq!((entry.size_delta, &data["sizeDelta"]), (0, &json!(0)));
            let path = data["path"].as_str().unwrap().to_owned();
            told.entry(path).or_default().push(data);
        }
    }
    told
}

fn told_paths(server: &Server) -> Vec<String> {
    let mut paths: Vec<_> = told(server).into_keys().collect();
    paths.sort();
    paths
}

async fn hashes_what_is_meant(ground: Ground) {
    let (server, hashing) = start(&ground, Arc::new(AheadClock)).await;
    let long = "long".repeat(100);
    for (path, content) in [
        ("a.txt", "a"),
        ("d/b.txt", "bb"),
        ("d/c.bin", "ccc"),
        ("d/long.txt", &long),
        ("empty.txt", ""),
    ] {
        ground.put(&server, path, content);
    }
    server.scan().await;
    assert_eq!(status(&server).await, Value::Null, "off by default");
    set_policy(
        &server,
        json!({ "maxBytes": 100, "pathGlobs": ["**/*.txt"] }),
    )
    .await;
    let done = wait_until(&server, "the end", |status| status["state"] == "idle").await;
    assert_eq!(told_paths(&server), ["a.txt", "d/b.txt"]);
    assert_eq!(
        [
            &done["hashedFiles"],
            &done["hashedBytes"],
            &done["readBytes"],
            &done["pendingFiles"],
            &done["unreadableFiles"]
        ],
        [&json!(2), &json!(3), &json!(3), &json!(0), &json!(0)],
        "{done}"
    );
    let node = server.by_path("d/b.txt").await;
    let hash = format!("blake3:{}", blake3::hash(b"bb"));
    let entry = &told(&server)["d/b.txt"][0];
    assert_eq!(
        (&node.data()["contentHash"], &entry["contentHash"]),
        (&json!(hash), &json!(hash))
    );
    assert_eq!(node.data()["version"], entry["version"]);
    assert_eq!(
        server.by_path("d/c.bin").await.data()["contentHash"],
        Value::Null
    );
    // Other settings are followed at once, and what has a hash is not read again.
    set_policy(&server, json!(true)).await;
    wait_until_hashed(&server, "d/c.bin", "ccc").await;
    wait_until_hashed(&server, "d/long.txt", &long).await;
    let done = wait_until(&server, "the end", |status| status["state"] == "idle").await;
    assert_eq!(done["readBytes"], 403);
    // So is what comes and what changes.
    ground.put(&server, "new.txt", "new");
    ground.put(&server, "a.txt", "other");
    server.scan().await;
    wait_until_hashed(&server, "new.txt", "new").await;
    wait_until_hashed(&server, "a.txt", "other").await;
    let told = told(&server);
    let counts = told.iter().map(|(path, told)| (&**path, told.len()));
    let expected = [
        ("a.txt", 2),
        ("d/b.txt", 1),
        ("d/c.bin", 1),
        ("d/long.txt", 1),
        ("new.txt", 1),
    ];
    assert_eq!(counts.collect::<HashMap<_, _>>(), HashMap::from(expected));
    // A hash changes nothing that a scan would see.
    server.assert_disk_agrees().await;
    set_policy(&server, json!(false)).await;
    assert_eq!(status(&server).await, Value::Null);
    close(server, hashing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_meant_get_their_hash_on_a_disk() {
    hashes_what_is_meant(Ground::Local).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_meant_get_their_hash_in_a_bucket() {
    hashes_what_is_meant(Ground::s3()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_bytes_are_read_than_the_limit_allows() {
    const RATE: u64 = 64 * 1024;
    let clock = HandClock::new();
    let (server, hashing) = start(&Ground::Local, Arc::clone(&clock) as Arc<dyn Clock>).await;
    let content = "x".repeat(512 * 1024);
    Ground::Local.put(&server, "file", &content);
    server.scan().await;
    set_policy(&server, json!({ "bytesPerSecond": RATE, "concurrency": 2 })).await;
    // A read of each reader more than what was earned; reads are a tenth of a second's.
    let (tenth, mut turns) = (RATE / 10, 0);
    while turns < 30 {
        let earned = turns * RATE / 10;
        let status = wait_until(&server, "what may be read", |status| {
            status["readBytes"].as_u64() > Some(earned)
        })
        .await;
        let read = status["readBytes"].as_u64().unwrap();
        assert!(read <= earned + 2 * tenth, "{read} bytes read of {earned}");
        assert_eq!(status["hashedFiles"], 0, "{status}");
        clock.turn(100);
        turns += 1;
    }
    // And it goes on as long as time does.
    let done = turn_until(&server, &clock, |status| status["state"] == "idle").await;
    assert_eq!(done["readBytes"], content.len());
    wait_until_hashed(&server, "file", &content).await;
    close(server, hashing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_hashed_before_the_end_of_the_process_is_not_read_again() {
    const BYTES: usize = 16 * 1024;
    let clock = HandClock::new();
    let ground = Ground::Local;
    let (server, hashing) = start(&ground, Arc::clone(&clock) as Arc<dyn Clock>).await;
    for file in 0..20 {
        ground.put(&server, &format!("d/{file:02}"), &"x".repeat(BYTES));
    }
    server.scan().await;
    set_policy(&server, json!({ "bytesPerSecond": 64 * 1024 })).await;
    turn_until(&server, &clock, |status| {
        status["hashedFiles"].as_u64() >= Some(3)
    })
    .await;
    let dirs = close(server, hashing).await;
    let (server, hashing) = start_in(&ground, dirs, Arc::new(AheadClock)).await;
    let done = told_paths(&server).len();
    assert!(
        (3..20).contains(&done),
        "it was cut off in the middle: {done}"
    );
    set_policy(&server, json!(true)).await;
    let status = wait_until(&server, "the end", |status| status["state"] == "idle").await;
    let rest = 20 - done;
    assert_eq!(
        (&status["hashedFiles"], &status["readBytes"]),
        (&json!(rest), &json!(rest * BYTES))
    );
    let told = told(&server);
    assert_eq!(told.len(), 20);
    assert!(told.values().all(|told| told.len() == 1), "each once");
    close(server, hashing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_grows_while_it_is_read_gets_the_hash_of_what_it_became() {
    let clock = HandClock::new();
    let ground = Ground::Local;
    let (server, hashing) = start(&ground, Arc::clone(&clock) as Arc<dyn Clock>).await;
    let (before, after) = ("x".repeat(64 * 1024), "x".repeat(64 * 1024) + "more");
    ground.put(&server, "log", &before);
    server.scan().await;
    set_policy(&server, json!({ "bytesPerSecond": 64 * 1024 })).await;
    wait_until(&server, "the first read", |status| {
        status["readBytes"].as_u64() > Some(0)
    })
    .await;
    ground.put(&server, "log", &after);
    turn_until(&server, &clock, |status| {
        status["readBytes"].as_u64() >= Some(before.len() as u64)
    })
    .await;
    server.scan().await;
    testkit::wait_for_async("the hash", LONG, async || {
        clock.turn(100);
        let told = told(&server);
        if told.is_empty() { Err(told) } else { Ok(()) }
    })
    .await;
    wait_until_hashed(&server, "log", &after).await;
    assert_eq!(told(&server)["log"].len(), 1, "no other hash was ever told");
    close(server, hashing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_counted_and_left_alone() {
    let (server, hashing) = start(&Ground::Local, Arc::new(AheadClock)).await;
    let pipe = server.root.join("pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_bits_retain(0o600),
        0,
    )
    .unwrap();
    Ground::Local.put(&server, "gone", "gone");
    Ground::Local.put(&server, "there", "there");
    server.scan().await;
    std::fs::remove_file(server.root.join("gone")).unwrap();
    set_policy(&server, json!({ "minBytes": 0 })).await;
    let first = wait_until(&server, "the end", |status| status["state"] == "idle").await;
    assert_eq!(
        (&first["unreadableFiles"], &first["hashedFiles"]),
        (&json!(1), &json!(1)),
        "{first}"
    );
    assert!(
        first["lastError"].as_str().unwrap().contains("pipe"),
        "{first}"
    );
    // What else happens is no reason to try again.
    Ground::Local.put(&server, "other", "other");
    server.scan().await;
    wait_until_hashed(&server, "other", "other").await;
    let later = wait_until(&server, "the end", |status| status["state"] == "idle").await;
    assert_eq!(later["unreadableFiles"], 1);
    assert_eq!(told_paths(&server), ["other", "there"]);
    close(server, hashing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_gone_is_waited_for_and_nothing_is_given_up() {
    let (server, hashing) = start(&Ground::Local, Arc::new(AheadClock)).await;
    Ground::Local.put(&server, "file", "file");
    server.scan().await;
    let aside = server.root.with_extension("aside");
    std::fs::rename(&server.root, &aside).unwrap();
    set_policy(&server, json!(true)).await;
    let waiting = wait_until(&server, "it to wait", |status| status["state"] == "waiting").await;
    assert_eq!(
        (&waiting["unreadableFiles"], &waiting["pendingFiles"]),
        (&json!(0), &json!(1)),
        "{waiting}"
    );
    assert!(
        waiting["lastError"].as_str().unwrap().contains("root"),
        "{waiting}"
    );
    std::fs::rename(&aside, &server.root).unwrap();
    wait_until_hashed(&server, "file", "file").await;
    close(server, hashing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_does_not_answer_is_waited_for() {
    let ground = Ground::s3();
    let (server, hashing) = start(&ground, Arc::new(AheadClock)).await;
    ground.put(&server, "file", "file");
    server.scan().await;
    let Ground::S3(mut s3) = ground else {
        unreachable!()
    };
    assert_eq!(s3.keys(BUCKET), ["file"]);
    s3.stop();
    set_policy(&server, json!(true)).await;
    let waiting = wait_until(&server, "it to wait", |status| status["state"] == "waiting").await;
    assert_eq!(
        (&waiting["unreadableFiles"], &waiting["pendingFiles"]),
        (&json!(0), &json!(1)),
        "{waiting}"
    );
    close(server, hashing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mount_is_hashed_while_it_is_in_use_read_only_too_and_not_told_to_pause() {
    let (server, hashing) = start(&Ground::Local, Arc::new(AheadClock)).await;
    Ground::Local.put(&server, "file", "file");
    server.scan().await;
    let settings = json!({ "accessMode": "ro", "config": { "hashing": { "paused": true } } });
    patch(&server, settings).await;
    assert_eq!(status(&server).await["state"], "paused");
    patch(
        &server,
        json!({ "state": "inactive", "config": { "hashing": true } }),
    )
    .await;
    assert_eq!(status(&server).await["state"], "off");
    assert!(told(&server).is_empty());
    patch(&server, json!({ "state": "active" })).await;
    wait_until_hashed(&server, "file", "file").await;
    // Uploads bring their hash along.
    patch(&server, json!({ "accessMode": "rw" })).await;
    server.upload("sent", "sent").await.data();
    wait_until_hashed(&server, "sent", "sent").await;
    wait_until(&server, "the end", |status| status["state"] == "idle").await;
    assert_eq!(told_paths(&server), ["file"]);
    close(server, hashing).await;
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_by_their_field() {
    let server = Server::start().await;
    let path = format!("/v1/backend-mounts/{}", server.mount);
    let config = json!({ "config": { "hashing": { "bytesPerSecond": 1 } } });
    let refused = server.send(server.request(Method::PATCH, &path).json(&config));
    let refused = refused.await;
    assert_eq!(refused.problem().0, 400);
    assert_eq!(
        refused.body["errors"][0]["pointer"],
        "/config/hashing/bytesPerSecond"
    );
    let body = json!({ "backendKind": "local", "rootPath": server.dirs.path(),
        "config": { "hashing": { "minByte": 1 } } });
    let refused = server.json(Method::POST, "/v1/backend-mounts", body).await;
    assert_eq!(
        refused.body["errors"][0]["pointer"],
        "/config/hashing/minByte"
    );
    let mounts = server.get("/v1/backend-mounts").await;
    assert_eq!(mounts.data()["mounts"].as_array().unwrap().len(), 1);
    server.close().await;
}

/// Ends with the filestore, whichever of the two goes first.
#[test]
fn the_threads_end_with_the_filestore() {
    let dirs = tempfile::tempdir().unwrap();
    let filestore = Filestore::open(Options::new(dirs.path().join("data"))).unwrap();
    let hashing = Hashing::start(Arc::clone(&filestore)).unwrap();
    filestore.close();
    drop(hashing);
}
