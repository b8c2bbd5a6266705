//! The file: crashes, locks, full disks, long readers.

use crate::support::{Fixture, Tree};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use feed::Sink;
use feed::consumer::{Consumer, ConsumerOptions};
use journal::{JournalId, SystemClock};
use serde_json::json;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use timestore::{Error, Options, Timestore};
use tower::ServiceExt;

/// This test binary again, running one test that is a process of its own.
fn child(test: &str, dir: &TempDir) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD_DIR, dir.path());
    command
}

const CHILD_DIR: &str = "TIMESTORE_TEST_CHILD_DIR";

/// Where a child works; `None` in a run that is no child.
fn child_dir() -> Option<std::path::PathBuf> {
    std::env::var_os(CHILD_DIR).map(Into::into)
}

fn options(dir: &std::path::Path) -> Options {
    Options::new(dir, Arc::new(SystemClock))
}

/// A journal that every process makes the same.
fn journal(entries: i64) -> Tree {
    let mut tree = Tree::new();
    tree.journal.epoch = uuid::Uuid::from_u128(7).into();
    tree.at("2026-03-01T00:00:00Z");
    for number in 0..entries {
        tree.file(
            &format!("directory{}/a file named {number}", number % 50),
            number,
        );
    }
    tree
}

const CRASH_ENTRIES: i64 = 60_000;

/// Applies batch after batch and says so, until it is killed.
#[test]
fn child_that_is_killed_while_it_ingests() {
    let Some(dir) = child_dir() else { return };
    let tree = journal(CRASH_ENTRIES);
    let mut sink = Timestore::open(options(&dir)).unwrap().sink();
    let mut at = sink
        .checkpoint()
        .unwrap()
        .map_or(0, |checkpoint| checkpoint.journal_id.get());
    while at < CRASH_ENTRIES as u64 {
        let to = (at + 700).min(CRASH_ENTRIES as u64);
        tree.journal.apply(&mut sink, at, to).unwrap();
        at = to;
        writeln!(std::io::stdout(), "applied {at}").unwrap();
    }
}

fn applied(child: &mut Child) -> impl Iterator<Item = u64> + use<> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.map_while(Result::ok).filter_map(|line| {
        line.split_once("applied ")
            .and_then(|(_, number)| number.trim().parse().ok())
    })
}

#[tokio::test]
async fn a_killed_process_loses_nothing_that_it_had_applied() {
    let dir = TempDir::new().unwrap();
    let tree = journal(CRASH_ENTRIES);
    let mut told = 0;
    for kill_after in [3_u64, 20, 35] {
        let mut child = child("durability::child_that_is_killed_while_it_ingests", &dir)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut batches = 0;
        for at in applied(&mut child) {
            told = at;
            batches += 1;
            if batches == kill_after {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        let timestore = Timestore::open(options(dir.path())).unwrap();
        let checkpoint = timestore.sink().checkpoint().unwrap().unwrap();
        assert!(checkpoint.journal_id.get() >= told, "{checkpoint:?} {told}");
        assert_eq!(checkpoint, tree.journal.checkpoint(checkpoint.journal_id));
        let digest = timestore.content_digest().unwrap();
        assert!(
            digest.starts_with(&format!("{}:", checkpoint.journal_id)),
            "{digest}"
        );
        timestore.close();
    }
    let status = child("durability::child_that_is_killed_while_it_ingests", &dir)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    let undisturbed = Fixture::new();
    tree.journal.apply_all(&mut undisturbed.timestore.sink());
    let timestore = Timestore::open(options(dir.path())).unwrap();
    assert_eq!(
        timestore.content_digest().unwrap(),
        undisturbed.timestore.content_digest().unwrap()
    );
}

#[test]
fn child_that_finds_the_directory_taken() {
    let Some(dir) = child_dir() else { return };
    let error = Timestore::open(options(&dir)).unwrap_err();
    assert!(matches!(error, Error::Locked { .. }), "{error}");
}

#[test]
fn a_data_directory_has_one_timestore() {
    let dir = TempDir::new().unwrap();
    let first = Timestore::open(options(dir.path())).unwrap();
    let error = Timestore::open(options(dir.path())).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&dir.path().display().to_string()), "{text}");
    let holder = format!("in use by another process (pid {})", std::process::id());
    assert!(text.contains(&holder), "{text}");
    let status = child("durability::child_that_finds_the_directory_taken", &dir)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    first.close();
    Timestore::open(options(dir.path())).unwrap();
}

#[test]
fn what_cannot_be_opened_says_why() {
    let dir = TempDir::new().unwrap();
    std::fs::write(
        dir.path().join("timestore.duckdb"),
        b"this is no database, whatever it is",
    )
    .unwrap();
    let error = Timestore::open(options(dir.path())).unwrap_err();
    assert!(matches!(error, Error::DamagedFile { .. }), "{error:?}");
    assert!(error.to_string().contains("timestore.duckdb"), "{error}");
    assert!(error.to_string().contains("aside"), "{error}");
    let file = dir.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let error = Timestore::open(options(&file)).unwrap_err();
    assert!(matches!(error, Error::Open { .. }), "{error:?}");
    for slug in ["", "Has Spaces", "x\"y"] {
        let wrong = Options {
            dataset_slug: slug.to_owned(),
            ..options(dir.path())
        };
        assert!(matches!(
            Timestore::open(wrong).unwrap_err(),
            Error::Invalid { .. }
        ));
    }
}

#[tokio::test]
async fn the_activity_follows_its_configured_name() {
    let fixture = Fixture::new();
    let tree = journal(5);
    tree.apply_to(&fixture);
    fixture.timestore.close();
    let fixture = Fixture::open(Arc::clone(&fixture.dir), |options| {
        options.dataset_slug = "files".to_owned();
        options.dataset_name = "Our files".to_owned();
        options.table_name = "our_files".to_owned();
    });
    assert_eq!(
        fixture.value("SELECT count(*) AS n FROM our_files").await,
        json!(5)
    );
    let dataset = fixture.get("/admin/datasets/files").await.json();
    assert_eq!(dataset["dataset"]["name"], json!("Our files"));
    assert_eq!(
        fixture.get("/filestore/growth").await.rows("series").len(),
        1
    );
    let mut sink = fixture.timestore.sink();
    assert_eq!(
        sink.checkpoint().unwrap().unwrap().journal_id,
        JournalId::new(5)
    );
}

/// The log in a data directory, in bytes.
fn log_bytes(dir: &std::path::Path) -> u64 {
    std::fs::metadata(dir.join("timestore.duckdb.wal")).map_or(0, |metadata| metadata.len())
}

#[tokio::test]
async fn a_read_held_open_neither_stops_writes_nor_lets_the_log_grow() {
    const LOG_MAX_BYTES: u64 = 1 << 20;
    const NODES: u64 = 10_000;
    const BATCH: u64 = 1_000;
    let fixture = Fixture::with(|options| options.log_max_bytes = LOG_MAX_BYTES);
    let tree = journal(60_000);
    let mut sink = fixture.timestore.sink();
    tree.journal.apply(&mut sink, 0, NODES).unwrap();
    // The answer is begun and not taken: it holds its transaction.
    let request = Request::get("/filestore/nodes").header("host", "127.0.0.1");
    let request = request.body(Body::empty()).unwrap();
    let held = fixture.router.clone().oneshot(request).await.unwrap();
    assert_eq!(held.status(), StatusCode::OK);
    let (mut longest, mut folded) = (0, 0);
    let mut before = log_bytes(fixture.dir.path());
    for after in (NODES..60_000).step_by(1_000) {
        tree.journal.apply(&mut sink, after, after + BATCH).unwrap();
        let now = log_bytes(fixture.dir.path());
        folded += u32::from(now < before);
        longest = longest.max(now);
        before = now;
    }
    // A batch of these takes less than 256 KiB, and the log is looked at after each.
    assert!(longest < 2 * LOG_MAX_BYTES, "the log had {longest} bytes");
    assert!(folded >= 3, "the log was folded {folded} times");
    // The reader was there all the while, and sees what there was when it began.
    let held = axum::body::to_bytes(held.into_body(), usize::MAX)
        .await
        .unwrap();
    let lines = held
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    assert_eq!(lines.count() as u64, NODES);
    let digest = fixture.timestore.content_digest().unwrap();
    assert!(digest.starts_with("60000:"), "{digest}");
}

#[test]
fn what_a_catch_up_left_in_the_log_is_folded_when_it_has_ended() {
    let fixture = Fixture::new();
    let tree = journal(3_000);
    let mut sink = fixture.timestore.sink();
    sink.tidy();
    for after in 0..100 {
        tree.journal.apply(&mut sink, after, after + 1).unwrap();
        sink.tidy();
    }
    let live = log_bytes(fixture.dir.path());
    assert!(live > 0, "single entries were folded one by one");
    tree.journal.apply(&mut sink, 100, 3_000).unwrap();
    let before = log_bytes(fixture.dir.path());
    assert!(before > live, "{before} bytes after {live}");
    sink.tidy();
    // Folding goes on by itself; what is asked next waits for it.
    let checkpoint = sink.checkpoint().unwrap().unwrap();
    assert_eq!(checkpoint.journal_id, JournalId::new(3_000));
    let after = log_bytes(fixture.dir.path());
    assert!(after < live, "{before} bytes before, {after} after");
    let digest = fixture.timestore.content_digest().unwrap();
    assert!(digest.starts_with("3000:"), "{digest}");
}

#[tokio::test]
async fn overlapping_reads_do_not_keep_the_log_from_being_folded() {
    let fixture = Fixture::with(|options| {
        options.log_max_bytes = 1 << 20;
        options.sql_timeout = Duration::from_secs(1);
    });
    let fixture = Arc::new(fixture);
    let tree = journal(20_000);
    let stop = Arc::new(AtomicBool::new(false));
    let mut readers = Vec::new();
    for _ in 0..2 {
        let (fixture, stop) = (Arc::clone(&fixture), Arc::clone(&stop));
        let slow = "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range * b.range % 7 = 3";
        readers.push(tokio::spawn(async move {
            let mut cancelled = 0;
            while !stop.load(Ordering::SeqCst) {
                let answer = fixture.post("/sql/read", &json!({"sql": slow})).await;
                assert_eq!(answer.problem().1, "statement_timeout", "{}", answer.text);
                cancelled += 1;
            }
            cancelled
        }));
    }
    let dir = fixture.dir.path().to_owned();
    let mut sink = fixture.timestore.sink();
    let writing = tokio::task::spawn_blocking(move || {
        let mut longest = 0;
        for after in (0..20_000).step_by(500) {
            tree.journal.apply(&mut sink, after, after + 500).unwrap();
            longest = longest.max(log_bytes(&dir));
        }
        longest
    });
    let longest = writing.await.unwrap();
    stop.store(true, Ordering::SeqCst);
    for reader in readers {
        assert!(reader.await.unwrap() > 0);
    }
    assert!(longest < 2 << 20, "the log had {longest} bytes");
}

#[test]
fn a_batch_that_needs_more_memory_than_batches_mostly_do_gets_it() {
    let fixture = Fixture::with(|options| {
        options.batch_memory_bytes = 2 << 20;
        options.log_max_bytes = 4 << 20;
    });
    let mut tree = Tree::new();
    tree.at("2026-03-01T00:00:00Z");
    let directory = "a long name/".repeat(300);
    for number in 0..5_000 {
        tree.file(&format!("{number}/{directory}{number}"), number);
    }
    let head = tree.journal.head();
    let mut consumer = Consumer::new(
        fixture.timestore.sink(),
        Arc::new(tree.journal.clone()),
        Arc::new(SystemClock),
        ConsumerOptions {
            batch_max_entries: 1_000,
            ..ConsumerOptions::default()
        },
    );
    let mut errors = Vec::new();
    for _ in 0..20 {
        consumer.turn();
        errors.extend(consumer.handle().status().last_error);
    }
    assert_eq!(consumer.handle().status().checkpoint, head, "{errors:?}");
    // Tried again with twice as much, until that was enough.
    assert!((1..=7).contains(&errors.len()), "{errors:?}");
    let digest = fixture.timestore.content_digest().unwrap();
    assert!(digest.starts_with("5000:"), "{digest}");
}

/// What a consumer does about a disk that is full: on a real one.
#[test]
fn a_consumer_waits_for_room_says_so_and_loses_nothing() {
    let disk = testkit::SmallDisk::mount(24 << 20);
    let tree = journal(40_000);
    let head = tree.journal.head();
    let timestore = Timestore::open(Options {
        log_max_bytes: 1 << 20,
        ..options(disk.path())
    })
    .unwrap();
    let mut consumer = Consumer::new(
        timestore.sink(),
        Arc::new(tree.journal.clone()),
        Arc::new(SystemClock),
        ConsumerOptions {
            batch_max_entries: 1_000,
            ..ConsumerOptions::default()
        },
    );
    while consumer.handle().status().checkpoint < JournalId::new(5_000) {
        consumer.turn();
    }
    disk.fill();
    // It writes into what it has, and then there is nothing left.
    let mut turns = 0;
    while consumer.handle().status().last_error.is_none() {
        consumer.turn();
        turns += 1;
        assert!(turns < 100, "the disk was never full");
    }
    let stuck = consumer.handle().status();
    let error = stuck.last_error.unwrap();
    assert!(error.contains("cannot be written"), "{error}");
    assert!(stuck.checkpoint < head, "{:?}", stuck.checkpoint);
    for _ in 0..3 {
        consumer.turn();
        disk.fill();
    }
    assert!(consumer.handle().status().last_error.is_some());
    disk.make_room();
    turns = 0;
    while consumer.handle().status().checkpoint < head {
        consumer.turn();
        turns += 1;
        assert!(turns < 1_000, "{:?}", consumer.handle().status());
    }
    let undisturbed = Fixture::new();
    tree.apply_to(&undisturbed);
    let digest = undisturbed.timestore.content_digest().unwrap();
    assert_eq!(timestore.content_digest().unwrap(), digest);
    timestore.close();
    let timestore = Timestore::open(options(disk.path())).unwrap();
    assert_eq!(timestore.content_digest().unwrap(), digest);
    timestore.close();
}

/// Writes until the disk is full, which the limit on the size of files stands for; then there is
/// room again.
#[test]
fn child_whose_disk_is_full() {
    let Some(dir) = child_dir() else { return };
    let tree = journal(50_000);
    let timestore = Timestore::open(options(&dir)).unwrap();
    let mut sink = timestore.sink();
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let unlimited = getrlimit(Resource::Fsize);
    setrlimit(
        Resource::Fsize,
        Rlimit {
            current: Some(2 << 20),
            ..unlimited
        },
    )
    .unwrap();
    let (mut at, mut failures) = (0, 0);
    while at < 50_000 {
        match tree.journal.apply(&mut sink, at, at + 1_000) {
            Ok(()) => at += 1_000,
            Err(feed::SinkError::Unavailable(message, _)) => {
                failures += 1;
                assert!(failures < 100, "{message}");
                if failures == 5 {
                    setrlimit(Resource::Fsize, unlimited).unwrap();
                }
                at = sink.checkpoint().map_or(at, |stored| {
                    stored.map_or(0, |stored| stored.journal_id.get())
                });
            }
            Err(error) => panic!("{error:?}"),
        }
    }
    assert!(failures >= 5, "the disk was never full");
    let digest = timestore.content_digest().unwrap();
    assert!(digest.starts_with("50000:"), "{digest}");
    writeln!(std::io::stdout(), "digest {digest}").unwrap();
}

#[test]
fn a_full_disk_is_waited_out_and_costs_nothing() {
    let dir = TempDir::new().unwrap();
    // The signal for a file beyond the limit is ignored, so that writing fails instead.
    let exe = std::env::current_exe().unwrap();
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"])
        .arg(exe)
        .args([
            "durability::child_whose_disk_is_full",
            "--exact",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(CHILD_DIR, dir.path())
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{out}\n{err}");
    let undisturbed = Fixture::new();
    journal(50_000)
        .journal
        .apply_all(&mut undisturbed.timestore.sink());
    let digest = undisturbed.timestore.content_digest().unwrap();
    assert!(out.contains(&format!("digest {digest}")), "{out}");
    let timestore = Timestore::open(options(dir.path())).unwrap();
    assert_eq!(timestore.content_digest().unwrap(), digest);
}
