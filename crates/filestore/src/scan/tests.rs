//! Whole scans of real trees, compared with what the standard library sees there.

mod accesses;
mod births;
mod facts;
mod identity;
mod links;
mod live;
mod looks;
mod model;
mod odd;

use super::*;
use catalogue::mounts::AccessMode;
use catalogue::{Cause, DirectoryRef, Node, ReadTx};
use journal::{Event, EventType, NodeState, ReconcileReason, SystemClock};
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A tree on disk, a catalogue elsewhere, and the mount that joins them.
struct Bench {
    tree: tempfile::TempDir,
    data: tempfile::TempDir,
    catalogue: Catalogue,
    mount: Mount,
}

/// What both sides can be compared by.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    is_directory: bool,
    size_bytes: i64,
    modified_ns: Option<::node::Moment>,
}

impl Bench {
    fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let tree = tempfile::tempdir().unwrap();
        let database = data.path().join("filestore.db");
        let catalogue = Catalogue::open(data.path(), &database, Arc::new(SystemClock)).unwrap();
        let mount = insert_mount(&catalogue, tree.path());
        Self {
            tree,
            data,
            catalogue,
            mount,
        }
    }

    /// Asks or changes the database behind the catalogue's back.
    fn database(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.data.path().join("filestore.db")).unwrap()
    }

    fn path(&self, path: &str) -> PathBuf {
        self.tree.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        std::fs::rename(self.path(from), self.path(to)).unwrap();
    }

    fn remove(&self, path: &str) {
        let path = self.path(path);
        if path.symlink_metadata().unwrap().is_dir() {
            std::fs::remove_dir_all(path).unwrap();
        } else {
            std::fs::remove_file(path).unwrap();
        }
    }

    fn try_scan(&self) -> Result<ScanReport, ScanError> {
        run(&self.catalogue, &self.mount, &[], &ScanOptions::default())
    }

    /// Scans, and checks that the catalogue then equals the disk and adds up.
    fn scan(&self) -> ScanReport {
        let (before, is_fresh) = (self.catalogue.head().id, self.nodes().len() == 1);
        let report = self.try_scan().unwrap();
        assert_eq!(report.problems, []);
        self.check();
        assert_eq!(
            self.try_scan().unwrap().changes,
            ScanChanges::default(),
            "a second scan"
        );
        let completed = u64::from(report.changes.total() > 0);
        let drifts = completed * u64::from(!is_fresh);
        let entries = self.catalogue.head().id.entries_since(before);
        assert_eq!(
            entries,
            drifts + report.changes.total() + completed,
            "one entry a changed node"
        );
        report
    }

    /// Compares only these names in the directory of this node, as watching does.
    fn look(&self, directory: i64, names: &[&str]) -> ScanReport {
        self.look_as(directory, names, false).0
    }

    fn look_as(&self, directory: i64, names: &[&str], waits: bool) -> (ScanReport, Leftover) {
        let options = ScanOptions::default();
        let mut scan = Scan::open(&self.catalogue, &self.mount, &[], &options).unwrap();
        let part = Part {
            directory: DirectoryRef::Node(directory),
            names: Some(names.iter().map(|name| (*name).to_owned()).collect()),
        };
        scan.task = Task {
            scope: Scope::Parts(vec![part]),
            command: crate::watch::COMMAND,
            reason: ReconcileReason::Drift,
            tells_reconciled: false,
            is_deep: false,
            renames: Vec::new(),
            waits,
        };
        scan.is_fresh = false;
        scan.run().unwrap()
    }

    fn nodes(&self) -> Vec<Node> {
        let read = |tx: &ReadTx<'_>| {
            let mut all = nodes::by_path(tx, self.mount.id, "", 1_000_000)?;
            all.push(nodes::root(tx, self.mount.id)?);
            all.sort_by(|a, b| (&a.path, a.id).cmp(&(&b.path, b.id)));
            Ok::<_, StoreError>(all)
        };
        self.catalogue.read(read).unwrap()
    }

    fn live(&self) -> BTreeMap<String, Node> {
        let live = self.nodes().into_iter().filter(|node| node.is_on_disk());
        live.map(|node| (node.path.clone(), node)).collect()
    }

    fn node(&self, path: &str) -> Node {
        self.live()[path].clone()
    }

    /// The node that holds this path.
    fn id(&self, path: &str) -> i64 {
        self.live()
            .get(path)
            .unwrap_or_else(|| panic!("no node at {path}"))
            .id
    }

    fn state(&self, id: i64) -> (String, NodeState) {
        let node = self.nodes().into_iter().find(|node| node.id == id).unwrap();
        (node.path, node.state)
    }

    /// What the journal tells after an id: type, node, path and size delta.
    fn entries(&self, after: JournalId) -> Vec<(EventType, i64, String, i64)> {
        let page = journal::JournalReader::read(&self.catalogue, after, 100_000).unwrap();
        let tell = |entry: &journal::Entry| {
            let path = match entry.event().unwrap() {
                Event::Node(event) => event.path.to_string(),
                Event::Reconciled(event) => event.path.to_string(),
                Event::Drift(event) => event.path.to_string(),
                _ => String::new(),
            };
            (
                entry.event_type.clone(),
                entry.node_id.unwrap_or(0),
                path,
                entry.size_delta,
            )
        };
        page.entries.iter().map(tell).collect()
    }

    fn check(&self) {
        let live = self.live();
        let line = |node: &Node| Line {
            is_directory: node.is_directory(),
            size_bytes: node.facts.size_bytes,
            modified_ns: node.facts.modified_ns,
        };
        let nodes: BTreeMap<_, _> = live
            .iter()
            .map(|(path, node)| (path.clone(), line(node)))
            .collect();
        let mut disk = BTreeMap::new();
        on_disk(self.tree.path(), "", &mut disk);
        assert_eq!(nodes, disk);
        for (path, node) in &live {
            let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
            let expected = (!path.is_empty()).then(|| live[parent].id);
            assert_eq!(node.parent_id, expected, "parent of {path}");
        }
        self.check_rollups(&live);
    }

    fn check_rollups(&self, live: &BTreeMap<String, Node>) {
        for directory in live.values().filter(|node| node.is_directory()) {
            let mut counted = [0; 4];
            for node in live
                .values()
                .filter(|node| is_below(&node.path, &directory.path))
            {
                counted[0] += node.facts.size_bytes;
                counted[1] += i64::from(!node.is_directory());
                counted[2] += i64::from(node.is_directory());
                counted[3] += i64::from(node.parent_id == Some(directory.id));
            }
            let read = |connection: &ReadTx<'_>| catalogue::rollups::of(connection, directory.id);
            let rollup = self.catalogue.read(read).unwrap().unwrap();
            let kept = [
                i64::try_from(rollup.size_bytes).unwrap(),
                rollup.file_count,
                rollup.directory_count,
                rollup.child_count,
            ];
            assert_eq!(kept, counted, "rollup of {:?}", directory.path);
        }
    }
}

fn insert_mount(catalogue: &Catalogue, root: &Path) -> Mount {
    let facts = backend::Disk::open(root, "test")
        .unwrap()
        .facts("")
        .unwrap()
        .unwrap();
    let root = root.to_str().unwrap().to_owned();
    catalogue
        .write(move |tx| {
            let mut mount = Mount {
                id: 0,
                mount_key: "tree".to_owned(),
                backend_kind: BackendKind::Local,
                access_mode: AccessMode::ReadWrite,
                root_path: Some(root),
                bucket: None,
                prefix: None,
                display_name: None,
                description: None,
                contact: None,
                state_reason: None,
                labels: Vec::new(),
                state: MountState::Active,
                config: serde_json::Map::new(),
                created_at: tx.now(),
                updated_at: tx.now(),
            };
            let cause = Cause {
                command: "createMount",
                ..Cause::default()
            };
            catalogue::mounts::insert(tx, &cause, &mut mount, facts)?;
            Ok::<_, StoreError>(mount)
        })
        .unwrap()
}

fn is_below(path: &str, directory: &str) -> bool {
    !path.is_empty()
        && (directory.is_empty()
            || path
                .strip_prefix(directory)
                .is_some_and(|rest| rest.starts_with('/')))
}

fn on_disk(directory: &Path, path: &str, lines: &mut BTreeMap<String, Line>) {
    let line = Line {
        is_directory: true,
        size_bytes: 0,
        modified_ns: None,
    };
    lines.insert(path.to_owned(), line);
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let path = ::node::join(
            path,
            &::node::name::from_bytes(entry.file_name().as_bytes()),
        );
        let metadata = entry.path().symlink_metadata().unwrap();
        if metadata.is_dir() {
            on_disk(&entry.path(), &path, lines);
            continue;
        }
        let size_bytes = if metadata.is_file() {
            metadata.len().cast_signed()
        } else {
            0
        };
        let nanos = u32::try_from(metadata.mtime_nsec()).unwrap();
        let modified_ns = Some(::node::Moment::new(metadata.mtime(), nanos));
        lines.insert(
            path,
            Line {
                is_directory: false,
                size_bytes,
                modified_ns,
            },
        );
    }
}

fn changes(created: u64, updated: u64, moved: u64, missing: u64, reconciled: u64) -> ScanChanges {
    ScanChanges {
        created,
        updated,
        moved,
        missing,
        reconciled,
    }
}

#[test]
fn a_first_scan_catalogues_what_is_there_and_a_second_writes_nothing() {
    let bench = Bench::new();
    for directory in 0..20 {
        for file in 0..30 {
            bench.write(
                &format!("d{directory}/e{}/f{file}", file % 3),
                &"x".repeat(file),
            );
        }
    }
    std::os::unix::fs::symlink("/etc", bench.path("out")).unwrap();
    std::os::unix::fs::symlink("..", bench.path("d1/loop")).unwrap();
    let report = bench.scan();
    assert_eq!((report.directories, report.files), (1 + 20 + 60, 602));
    assert_eq!(report.bytes, 20 * (0..30).sum::<u64>());
    assert_eq!(report.changes, changes(80 + 602, 0, 0, 0, 0));
    let entries = bench.entries(JournalId::ZERO);
    let (last, created) = entries.split_last().unwrap();
    assert_eq!(last.0, EventType::CommandCompleted);
    assert!(
        created
            .iter()
            .all(|entry| entry.0 == EventType::NodeCreated)
    );
    assert_eq!(
        created.iter().map(|entry| entry.3).sum::<i64>(),
        report.bytes.cast_signed()
    );
    let ids: Vec<_> = created.iter().map(|entry| entry.1).collect();
    let position = |id| ids.iter().position(|other| *other == id).unwrap();
    for node in bench.nodes() {
        if let Some(parent) = node.parent_id {
            assert!(
                position(parent) < position(node.id),
                "{} comes after its parent",
                node.path
            );
        }
    }
    let head = bench.catalogue.head();
    let report = bench.try_scan().unwrap();
    assert_eq!((report.changes.total(), report.command_id), (0, None));
    assert_eq!(bench.catalogue.head(), head, "nothing was written");
}

#[test]
fn each_kind_of_change_journals_one_entry_of_its_type() {
    let bench = Bench::new();
    for path in ["d/grows", "d/touched", "d/leaves", "d/stays", "e/x"] {
        bench.write(path, "12345");
    }
    bench.scan();
    let head = bench.catalogue.head().id;
    let grows = bench.id("d/grows");
    bench.write("d/grows", "1234567890");
    let later = std::time::UNIX_EPOCH + std::time::Duration::new(2_000_000_000, 123_456_789);
    std::fs::File::open(bench.path("d/touched"))
        .unwrap()
        .set_modified(later)
        .unwrap();
    bench.remove("d/leaves");
    bench.write("d/comes", "123");
    bench.rename("d/stays", "e/moved");
    let report = bench.scan();
    assert_eq!(report.changes, changes(1, 2, 1, 1, 0));
    let mut told = bench.entries(head);
    told.sort_by(|a, b| a.2.cmp(&b.2));
    let told: Vec<_> = told
        .iter()
        .map(|(kind, _, path, delta)| (kind.as_str(), &**path, *delta))
        .collect();
    assert_eq!(
        told,
        [
            ("filestore.drift.detected", "", 0),
            ("filestore.command.completed", "", 0),
            ("filestore.node.created", "d/comes", 3),
            ("filestore.node.updated", "d/grows", 5),
            ("filestore.node.missing", "d/leaves", -5),
            ("filestore.node.updated", "d/touched", 0),
            ("filestore.node.moved", "e/moved", 0),
        ]
    );
    assert_eq!(bench.id("d/grows"), grows);
}

#[test]
fn what_goes_missing_comes_back_as_the_node_it_was() {
    let bench = Bench::new();
    bench.write("d/e/f", "12345");
    bench.write("d/g", "1");
    bench.scan();
    let ids: Vec<_> = ["d", "d/e", "d/e/f", "d/g"]
        .map(|path| bench.id(path))
        .to_vec();
    bench.remove("d");
    assert_eq!(bench.scan().changes, changes(0, 0, 0, 4, 0));
    assert!(
        ids.iter()
            .all(|id| bench.state(*id).1 == NodeState::Missing)
    );
    bench.write("d/e/f", "1234567");
    bench.write("d/h", "new");
    assert_eq!(bench.scan().changes, changes(1, 0, 0, 0, 3));
    let again: Vec<_> = ["d", "d/e", "d/e/f"].map(|path| bench.id(path)).to_vec();
    assert_eq!(again, ids[..3]);
    assert_eq!(bench.state(ids[3]), ("d/g".to_owned(), NodeState::Missing));
}

#[test]
fn hostile_names_become_nodes_and_are_found_again() {
    let bench = Bench::new();
    let names: [&[u8]; 5] = [
        b"new\nline",
        b"bad\xff\xfe",
        "\u{efc3}".as_bytes(),
        b"'\"\\%_*",
        &[0xe9; 255],
    ];
    for name in names {
        let directory = bench.tree.path().join(std::ffi::OsStr::from_bytes(name));
        std::fs::create_dir(&directory).unwrap();
        std::fs::write(directory.join("inside"), "x").unwrap();
    }
    assert_eq!(bench.scan().changes.created, 10);
    let first = bench
        .tree
        .path()
        .join(std::ffi::OsStr::from_bytes(names[1]));
    let id = bench.id("bad\u{efff}\u{effe}/inside");
    std::fs::rename(first, bench.path("good")).unwrap();
    assert_eq!(bench.scan().changes, changes(0, 0, 2, 0, 0));
    assert_eq!(bench.id("good/inside"), id);
}

#[test]
fn a_tree_a_thousand_deep_with_a_path_past_path_max_is_scanned_and_moves() {
    let bench = Bench::new();
    let deep = testkit::Deep::new(bench.tree.path(), "level", 1_000);
    assert_eq!(bench.try_scan().unwrap().changes.created, 1_000);
    assert_eq!(bench.try_scan().unwrap().changes.total(), 0);
    let deepest = vec!["level"; 1_000].join("/");
    let id = bench.id(&deepest);
    bench.rename("level", "other");
    assert_eq!(
        bench.try_scan().unwrap().changes,
        changes(0, 0, 1_000, 0, 0)
    );
    assert_eq!(bench.id(&deepest.replacen("level", "other", 1)), id);
    bench.rename("other", "level");
    drop(deep);
    assert_eq!(bench.try_scan().unwrap().changes.missing, 1_000);
}

#[test]
fn hidden_directories_and_mounts_that_cannot_be_scanned() {
    let bench = Bench::new();
    bench.write("data/journal", "x");
    bench.write("file", "x");
    let hidden = [bench.path("data"), bench.path("none")];
    let report = run(
        &bench.catalogue,
        &bench.mount,
        &hidden,
        &ScanOptions::default(),
    )
    .unwrap();
    assert_eq!(report.changes.created, 1);
    let scan = |mount: &Mount| run(&bench.catalogue, mount, &[], &ScanOptions::default());
    let gone = Mount {
        root_path: Some("/nowhere/at/all".to_owned()),
        ..bench.mount.clone()
    };
    assert!(matches!(scan(&gone), Err(ScanError::Root { .. })));
    let inactive = Mount {
        state: MountState::Inactive,
        ..bench.mount.clone()
    };
    assert!(matches!(scan(&inactive), Err(ScanError::Inactive(_))));
    let s3 = Mount {
        backend_kind: BackendKind::S3,
        ..bench.mount.clone()
    };
    assert!(matches!(scan(&s3), Err(ScanError::Bucket(..))));
    assert_eq!(
        bench.live().len(),
        2,
        "a root that is away takes nothing with it"
    );
}
