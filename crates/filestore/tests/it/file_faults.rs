//! Bits flip, tails are cut, writes are dropped: what comes of it is the truth, or is named.

use filestore::{Filestore, Options};
use journal::{JournalId, ReadError, SnapshotInode, SnapshotNode};
use std::path::{Path, PathBuf};
use testkit::file_fault::{self, Fault};

/// Everything that the journal and the snapshot say.
#[derive(Debug, PartialEq)]
struct Truth {
    entries: Vec<(u64, String, String)>,
    nodes: Vec<String>,
}

impl Truth {
    /// All of it, or the error that names what cannot be read.
    fn of(filestore: &Filestore) -> Result<Self, ReadError> {
        let reader = filestore.reader();
        let mut entries = Vec::new();
        let mut after = JournalId::ZERO;
        loop {
            let page = reader.read(after, 1_000)?.entries;
            let Some(last) = page.last() else { break };
            after = last.id;
            entries.extend(page.iter().map(|entry| {
                let data = entry.data.get().to_owned();
                (entry.id.get(), entry.digest.to_string(), data)
            }));
        }
        let mut nodes = Vec::new();
        for node in reader.snapshot()?.nodes {
            let node = node?;
            let inode = SnapshotInode {
                links: None,
                changed_at: None,
                ..node.inode
            };
            let node = SnapshotNode {
                // The disk knows these better, and the next scan asks there.
                last_modified_at: None,
                inode,
                ..node
            };
            nodes.push(serde_json::to_string(&node).unwrap());
        }
        Ok(Self { entries, nodes })
    }
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Refused,
    Found,
    Whole,
}

/// Opens the store after a fault. There is no third outcome beside the truth and a name for the
/// damage.
fn outcome(store: &Path, truth: &Truth, fault: &Fault) -> Outcome {
    let mut options = Options::new(store.parent().unwrap());
    options.database_path = Some(store.to_owned());
    let filestore = match Filestore::open(options) {
        Ok(filestore) => filestore,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return Outcome::Refused;
        }
    };
    let found = filestore.check_integrity();
    let outcome = match found {
        Ok(integrity) if integrity.ok => match Truth::of(&filestore) {
            Ok(found) => {
                assert_eq!(found, *truth, "unnoticed: {fault}");
                Outcome::Whole
            }
            Err(_) => Outcome::Found,
        },
        Ok(_) | Err(_) => Outcome::Found,
    };
    filestore.close();
    outcome
}

/// A catalogue with a tree, open with all of it in the log; the copy in `into` is as it was on disk
/// at a moment in between, the one after it at the end.
struct Made {
    filestore: std::sync::Arc<Filestore>,
    store: PathBuf,
}

fn tree(root: &Path, directories: usize, files: usize) {
    for directory in 0..directories {
        let directory = root.join(format!("directory-{directory}"));
        std::fs::create_dir_all(&directory).unwrap();
        for file in 0..files {
            std::fs::write(directory.join(format!("file-{file}")), vec![1; file * 10]).unwrap();
        }
    }
}

fn make(dir: &Path) -> Made {
    let root = dir.join("tree");
    tree(&root, 12, 24);
    let store = dir.join("data").join("filestore.db");
    let filestore = Filestore::open(Options::new(dir.join("data"))).unwrap();
    filestore.ensure_local_mount(&root).unwrap();
    scan(&filestore);
    Made { filestore, store }
}

fn scan(filestore: &std::sync::Arc<Filestore>) {
    let rescan = filestore::Rescan::start(
        std::sync::Arc::clone(filestore),
        filestore::RescanOptions {
            interval: std::time::Duration::from_secs(3600),
            watched_interval: std::time::Duration::from_secs(3600),
        },
    )
    .unwrap();
    let reader = filestore.reader();
    let mut before = JournalId::ZERO;
    testkit::wait_for(
        "the scan to end",
        std::time::Duration::from_secs(60),
        || {
            let head = reader.position().unwrap().head;
            let is_still = head == before && head.get() > 20;
            before = head;
            if is_still { Ok(()) } else { Err(head) }
        },
    );
    drop(rescan);
}

fn all(
    store: &Path,
    faults: std::ops::Range<u64>,
    truth: &Truth,
    make: impl Fn(&Path, u64) -> Fault,
) -> std::collections::BTreeMap<Outcome, usize> {
    let mut outcomes = std::collections::BTreeMap::new();
    let dir = tempfile::tempdir().unwrap();
    for seed in faults {
        let copy = file_fault::copy_store(store, dir.path());
        let fault = make(&copy, seed);
        *outcomes.entry(outcome(&copy, truth, &fault)).or_default() += 1;
    }
    outcomes
}

#[test]
fn a_flipped_bit_or_a_cut_tail_is_named_or_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let made = make(dir.path());
    let truth = Truth::of(&made.filestore).unwrap();
    assert!(made.filestore.check_integrity().unwrap().ok);
    // With the log beside it, as a killed process leaves them.
    let killed = file_fault::copy_store(&made.store, &dir.path().join("killed"));
    made.filestore.close();
    let mut log = killed.clone().into_os_string();
    log.push("-wal");
    let log = Path::new(&log).file_name().unwrap().to_owned();
    let of_log = |store: &Path| store.with_file_name(&log);

    let flipped = all(&made.store, 0..120, &truth, file_fault::flip_bit);
    assert!(flipped.contains_key(&Outcome::Found), "{flipped:?}");
    let cut = all(&made.store, 0..30, &truth, file_fault::cut_tail);
    let whole = cut.get(&Outcome::Whole).copied().unwrap_or_default();
    assert!(whole < 15, "{cut:?}");
    let flipped = all(&killed, 0..80, &truth, |store, seed| {
        file_fault::flip_bit(&of_log(store), seed)
    });
    assert!(
        flipped[&Outcome::Refused] > 20,
        "the log's end is gone: {flipped:?}"
    );
    let cut = all(&killed, 0..40, &truth, |store, seed| {
        file_fault::cut_tail(&of_log(store), seed)
    });
    assert!(cut.contains_key(&Outcome::Refused), "{cut:?}");
}

#[test]
fn dropped_writes_are_named_or_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let made = make(dir.path());
    made.filestore.close();
    let earlier = file_fault::copy_store(&made.store, &dir.path().join("earlier"));
    let filestore = Filestore::open(Options::new(dir.path().join("data"))).unwrap();
    for at in 0..30 {
        let root = dir.path().join(format!("mount-{at}"));
        std::fs::create_dir(&root).unwrap();
        filestore.ensure_local_mount(&root).unwrap();
    }
    let truth = Truth::of(&filestore).unwrap();
    filestore.close();
    let dropped = all(&made.store, 0..60, &truth, |store, seed| {
        file_fault::drop_writes(store, &earlier, seed)
    });
    let whole = dropped.get(&Outcome::Whole).copied().unwrap_or_default();
    assert!(whole < 30, "{dropped:?}");
}

#[test]
fn an_older_copy_is_refused_until_a_person_says_that_it_is_meant() {
    let dir = tempfile::tempdir().unwrap();
    let made = make(dir.path());
    made.filestore.close();
    let older = file_fault::copy_store(&made.store, &dir.path().join("older"));
    let open = || Filestore::open(Options::new(dir.path().join("data")));
    let filestore = open().unwrap();
    std::fs::create_dir(dir.path().join("another")).unwrap();
    filestore
        .ensure_local_mount(&dir.path().join("another"))
        .unwrap();
    filestore.close();
    std::fs::copy(&older, &made.store).unwrap();
    let error = open().unwrap_err().to_string();
    assert!(error.contains("had been committed"), "{error}");
    assert!(error.contains("filestore.db.mark"), "{error}");
    std::fs::remove_file(journal::Mark::path_of(&made.store)).unwrap();
    open().unwrap().close();
}
