//! Scans through the crate's public face: as jobs, by period, and after the process was cut off.

use filestore::{Filestore, Options, Rescan, RescanOptions, ScanError, ScanJobStatus, ScanOptions};
use journal::{Entry, EventType, JournalId, NodeState};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn open(data: &Path) -> Arc<Filestore> {
    Filestore::open(Options::new(data)).unwrap()
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// The live nodes: path to id and size.
fn nodes(filestore: &Filestore) -> BTreeMap<String, (i64, i64)> {
    let reader = filestore.reader();
    let nodes = reader.snapshot().unwrap().nodes.map(Result::unwrap);
    let live = nodes.filter(|node| node.state == NodeState::Active);
    live.map(|node| (node.path, (node.node_id, node.size_bytes.unwrap_or(0))))
        .collect()
}

fn entries(filestore: &Filestore, after: JournalId) -> Vec<Entry> {
    filestore.reader().read(after, 10_000).unwrap().entries
}

/// What `find` counts: names, the root among them, and the bytes of regular files.
fn find(directory: &Path) -> (usize, i64) {
    let (mut names, mut bytes) = (1, 0);
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let metadata = entry.path().symlink_metadata().unwrap();
        if metadata.is_dir() {
            let (below, size) = find(&entry.path());
            names += below;
            bytes += size;
        } else {
            names += 1;
            bytes += if metadata.is_file() {
                metadata.len().cast_signed()
            } else {
                0
            };
        }
    }
    (names, bytes)
}

#[test]
fn a_real_tree_has_as_many_nodes_and_bytes_as_find_counts() {
    let data = tempfile::tempdir().unwrap();
    let filestore = open(data.path());
    let root = Path::new("/usr/share/doc");
    let mount = filestore.ensure_local_mount(root).unwrap();
    let report = filestore.scan(mount.id, &ScanOptions::default()).unwrap();
    let nodes = nodes(&filestore);
    let counted = (nodes.len(), nodes.values().map(|(_, size)| size).sum());
    assert_eq!(counted, find(root));
    assert_eq!(
        counted.0,
        usize::try_from(report.files + report.directories).unwrap()
    );
    let head = filestore.reader().position().unwrap().head;
    let again = filestore.scan(mount.id, &ScanOptions::default()).unwrap();
    assert_eq!((again.changes.total(), again.journal_id), (0, None));
    assert_eq!(
        filestore.reader().position().unwrap().head,
        head,
        "nothing was written"
    );
}

#[test]
fn identity_outlives_the_process_that_saw_the_file() {
    let (data, tree) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(&tree.path().join("inbox/report"), "12345");
    let filestore = open(data.path());
    let mount = filestore.ensure_local_mount(tree.path()).unwrap();
    filestore.scan(mount.id, &ScanOptions::default()).unwrap();
    let before = nodes(&filestore)["inbox/report"];
    filestore.close();
    drop(filestore);
    std::fs::create_dir(tree.path().join("archive")).unwrap();
    std::fs::rename(
        tree.path().join("inbox/report"),
        tree.path().join("archive/2026"),
    )
    .unwrap();
    let filestore = open(data.path());
    let head = filestore.reader().position().unwrap().head;
    filestore.scan(mount.id, &ScanOptions::default()).unwrap();
    assert_eq!(nodes(&filestore)["archive/2026"], before);
    let told = entries(&filestore, head);
    let kinds: Vec<_> = told.iter().map(|entry| entry.event_type.clone()).collect();
    let expected = [
        EventType::DriftDetected,
        EventType::NodeCreated,
        EventType::NodeMoved,
        EventType::CommandCompleted,
    ];
    assert_eq!(kinds, expected);
    let command = |entry: &Entry| {
        let data: serde_json::Value = serde_json::from_str(entry.data.get()).unwrap();
        (
            data["command"].clone(),
            data["commandId"].clone(),
            data["previousPath"].clone(),
        )
    };
    assert_eq!(command(&told[1]).0, "scan");
    assert_eq!(command(&told[2]).2, "inbox/report");
    assert!(
        told.iter()
            .skip(1)
            .all(|entry| command(entry).1 == command(&told[1]).1),
        "one command"
    );
}

#[test]
fn a_scan_is_a_job_that_a_second_request_joins() {
    let (data, tree) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for file in 0..3_000 {
        write(&tree.path().join(format!("d{}/f{file}", file % 30)), "x");
    }
    let filestore = open(data.path());
    let mount = filestore.ensure_local_mount(tree.path()).unwrap();
    let job = filestore
        .start_scan(mount.id, ScanOptions::default())
        .unwrap();
    let second = filestore
        .start_scan(mount.id, ScanOptions::default())
        .unwrap();
    assert!(second.id == job.id || filestore.scan_job(&job.id).unwrap().report.is_some());
    let ended = wait_for_job(&filestore, &job.id);
    assert_eq!(ended.status, ScanJobStatus::Succeeded);
    assert_eq!(ended.report.unwrap().changes.created, 3_030);
    assert!(filestore.scan_job("none").is_none());
    assert!(matches!(
        filestore.start_scan(99, ScanOptions::default()),
        Err(ScanError::NoMount(99))
    ));
    let gone = tree.path().to_owned();
    drop(tree);
    assert!(!gone.try_exists().unwrap());
    let failed = wait_for_job(
        &filestore,
        &filestore
            .start_scan(mount.id, ScanOptions::default())
            .unwrap()
            .id,
    );
    assert_eq!(failed.status, ScanJobStatus::Failed);
    assert!(failed.error.unwrap().contains("cannot be opened"));
    assert_eq!(
        nodes(&filestore).len(),
        3_031,
        "a root that is away takes nothing with it"
    );
}

fn wait_for_job(filestore: &Filestore, id: &str) -> filestore::ScanJob {
    testkit::wait_for("the scan ends", Duration::from_secs(30), || {
        let job = filestore.scan_job(id).unwrap();
        if job.status == ScanJobStatus::Running {
            Err(job.progress)
        } else {
            Ok(job)
        }
    })
}

#[test]
fn rescanning_sees_what_changed_and_stops_when_told() {
    let (data, tree) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(&tree.path().join("first"), "1");
    let filestore = open(data.path());
    filestore.ensure_local_mount(tree.path()).unwrap();
    let options = RescanOptions {
        interval: Duration::from_millis(20),
        ..RescanOptions::default()
    };
    let rescan = Rescan::start(Arc::clone(&filestore), options).unwrap();
    let wait = |path: &str| {
        testkit::wait_for(path, Duration::from_secs(30), || {
            let nodes = nodes(&filestore);
            if nodes.contains_key(path) {
                Ok(())
            } else {
                Err(nodes)
            }
        });
    };
    wait("first");
    write(&tree.path().join("second"), "2");
    wait("second");
    // A mount that comes later is seen too.
    let other = tempfile::tempdir().unwrap();
    write(&other.path().join("third"), "3");
    filestore.ensure_local_mount(other.path()).unwrap();
    wait("third");
    drop(rescan);
    write(&tree.path().join("fourth"), "4");
    let head = filestore.reader().position().unwrap().head;
    let after = filestore
        .reader()
        .wait(head, Duration::from_millis(200))
        .unwrap();
    assert_eq!(after.head, head, "nobody scans any more");
}

const SCAN_DATA: &str = "TIDEMARK_TEST_SCAN_DATA";
const SCAN_TREE: &str = "TIDEMARK_TEST_SCAN_TREE";

#[test]
fn a_scan_that_is_killed_is_completed_by_the_next() {
    const NAME: &str = "scan::a_scan_that_is_killed_is_completed_by_the_next";
    // This test starts itself again as the process that it kills.
    let victim = (std::env::var_os(SCAN_DATA), std::env::var_os(SCAN_TREE));
    if let (Some(data), Some(tree)) = victim {
        let filestore = open(Path::new(&data));
        let mount = filestore.ensure_local_mount(Path::new(&tree)).unwrap();
        filestore.scan(mount.id, &ScanOptions::default()).unwrap();
        return;
    }
    let (data, tree) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for file in 0..20_000 {
        write(
            &tree
                .path()
                .join(format!("d{}/e{}/f{file}", file % 20, file % 7)),
            "x",
        );
    }
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env(SCAN_DATA, data.path())
        .env(SCAN_TREE, tree.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let written = data.path().join("filestore.db-wal");
    testkit::wait_for("the scan to have written", Duration::from_secs(60), || {
        let length = written.metadata().map_or(0, |metadata| metadata.len());
        let is_over = child.try_wait().unwrap().is_some();
        if length > 2_000_000 || is_over {
            Ok(())
        } else {
            Err(length)
        }
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let filestore = open(data.path());
    let mount = filestore.ensure_local_mount(tree.path()).unwrap();
    let before = nodes(&filestore).len();
    let report = filestore.scan(mount.id, &ScanOptions::default()).unwrap();
    let nodes = nodes(&filestore);
    assert_eq!(
        before + usize::try_from(report.changes.created).unwrap(),
        nodes.len()
    );
    assert_eq!(
        report.changes.total(),
        report.changes.created,
        "nothing was written halfway"
    );
    assert_eq!((nodes.len(), 20_000), find(tree.path()));
    assert_eq!(
        filestore
            .scan(mount.id, &ScanOptions::default())
            .unwrap()
            .changes
            .total(),
        0
    );
    let reader = filestore.reader();
    let (mut after, head) = (JournalId::ZERO, reader.position().unwrap().head);
    while after < head {
        let page = reader.read(after, 10_000).unwrap();
        journal::chain::verify(after, page.after_digest.unwrap(), &page.entries).unwrap();
        after = page.entries.last().unwrap().id;
    }
}
