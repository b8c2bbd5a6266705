//! The file: crashes, locks, full disks, long readers.

use crate::support::{Fixture, Tree};
use feed::Sink;
use journal::{JournalId, SystemClock};
use serde_json::json;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use timestore::{Error, Options, Timestore};

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
    assert!(text.contains("in use by another timestore"), "{text}");
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
    assert!(matches!(error, Error::Open { .. }), "{error:?}");
    assert!(error.to_string().contains("timestore.duckdb"), "{error}");
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

#[tokio::test]
async fn a_long_reader_stops_neither_writes_nor_for_ever_the_checkpoints() {
    let fixture = Fixture::with(|options| options.sql_timeout = Duration::from_secs(3));
    let fixture = Arc::new(fixture);
    let tree = journal(40_000);
    let mut sink = fixture.timestore.sink();
    tree.journal.apply(&mut sink, 0, 1_000).unwrap();
    let reading = {
        let fixture = Arc::clone(&fixture);
        let slow = "SELECT count(*) FROM filestore_activity, range(1000000) a, range(1000000) b WHERE a.range * b.range % 7 = 3";
        tokio::spawn(async move { fixture.post("/sql/read", &json!({"sql": slow})).await })
    };
    let wal = || {
        let path = fixture.dir.path().join("timestore.duckdb.wal");
        std::fs::metadata(path).map_or(0, |metadata| metadata.len())
    };
    let (mut at, mut worst) = (1_000, Duration::ZERO);
    let writing = tokio::task::spawn_blocking(move || {
        while at < 40_000 {
            let started = Instant::now();
            tree.journal.apply(&mut sink, at, at + 1_000).unwrap();
            worst = worst.max(started.elapsed());
            at += 1_000;
        }
        (tree, sink, worst)
    });
    let (mut tree, mut sink, worst) = writing.await.unwrap();
    assert!(
        worst < Duration::from_secs(2),
        "a write waited for a reader: {worst:?}"
    );
    let answer = reading.await.unwrap();
    assert_eq!(answer.problem().1, "statement_timeout", "{}", answer.text);
    // Once the reader is gone, writing folds the log into the file.
    for round in 0..60 {
        let after = tree.journal.head().get();
        for number in 0..1_000 {
            tree.file(&format!("later{round}/{number}"), number);
        }
        tree.journal.apply(&mut sink, after, after + 1_000).unwrap();
    }
    assert!(wal() < 20 << 20, "the log has {} bytes", wal());
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
