//! Filesystems that are unlike the temporary directory's: what they keep of a file's identity, what
//! is mounted where, and sizes and times that others do not have.

use filestore::{Filestore, Options, ScanOptions, ScanReport, Watch, WatchOptions};
use journal::NodeState;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use testkit::{DiskImage, Mounted};

const LONG: Duration = Duration::from_secs(60);

/// A filestore with one mount, whose root is made here if it is missing.
struct Bench {
    watch: Option<Watch>,
    filestore: Arc<Filestore>,
    mount: i64,
    root: PathBuf,
    data: tempfile::TempDir,
}

impl Bench {
    fn at(root: &Path) -> Self {
        let bench = Self::opened(root);
        bench.scan();
        bench
    }

    fn opened(root: &Path) -> Self {
        let data = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root).unwrap();
        let filestore = Filestore::open(Options::new(data.path())).unwrap();
        let mount = filestore.ensure_local_mount(root).unwrap().id;
        Self {
            watch: None,
            filestore,
            mount,
            root: root.to_owned(),
            data,
        }
    }

    fn watched(root: &Path) -> Self {
        let mut bench = Self::at(root);
        let filestore = Arc::clone(&bench.filestore);
        bench.watch = Some(Watch::start(filestore, WatchOptions::default()).unwrap());
        bench.scan();
        assert_eq!(bench.state(), "watching");
        bench
    }

    /// Goes into other filesystems that are mounted in the tree.
    fn crossing(root: &Path) -> Self {
        let bench = Self::opened(root);
        let config = rusqlite::Connection::open(bench.data.path().join("filestore.db"));
        let sql = r#"UPDATE mounts SET config = '{"crossFilesystems":true}'"#;
        config.unwrap().execute(sql, []).unwrap();
        bench.scan();
        bench
    }

    fn try_scan(&self, accept_root: bool) -> Result<ScanReport, filestore::ScanError> {
        let options = ScanOptions {
            accept_root,
            ..ScanOptions::default()
        };
        self.filestore.scan(self.mount, &options)
    }

    fn scan(&self) -> ScanReport {
        self.try_scan(false).unwrap()
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    fn write(&self, path: &str, text: &str) {
        std::fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        std::fs::write(self.path(path), text).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        std::fs::rename(self.path(from), self.path(to)).unwrap();
    }

    /// The live nodes: path to id and size.
    fn nodes(&self) -> BTreeMap<String, (i64, i64)> {
        let reader = self.filestore.reader();
        let nodes = reader.snapshot().unwrap().nodes.map(Result::unwrap);
        let live = nodes.filter(|node| node.state == NodeState::Active);
        live.map(|node| (node.path, (node.node_id, node.size_bytes.unwrap_or(0))))
            .collect()
    }

    fn id(&self, path: &str) -> i64 {
        self.nodes()[path].0
    }

    fn state(&self) -> String {
        let mount = self.filestore.mount(self.mount).unwrap().unwrap();
        let status = serde_json::to_value(self.filestore.watch_status(&mount)).unwrap();
        status["state"].as_str().unwrap().to_owned()
    }

    fn wait_for(&self, path: &str, size: i64) {
        testkit::wait_for(path, LONG, || match self.nodes().get(path) {
            Some((_, found)) if *found == size => Ok(()),
            other => Err((other.copied(), self.state())),
        });
    }

    fn assert_whole(&self) {
        let integrity = self.filestore.check_integrity().unwrap();
        assert_eq!(
            serde_json::to_value(&integrity).unwrap()["findings"],
            serde_json::json!([])
        );
    }
}

#[test]
fn of_very_many_names_of_a_file_the_one_that_is_renamed_keeps_its_node() {
    let tree = tempfile::tempdir().unwrap();
    let bench = Bench::at(tree.path());
    bench.write("store/empty", "");
    for name in 0..200 {
        let directory = bench.path(&format!("p{name}"));
        std::fs::create_dir(&directory).unwrap();
        std::fs::hard_link(
            bench.path("store/empty"),
            directory.join(format!("n{name}")),
        )
        .unwrap();
    }
    bench.scan();
    std::fs::create_dir(bench.path("elsewhere")).unwrap();
    let was = [120, 5, 199].map(|name| bench.id(&format!("p{name}/n{name}")));
    for (name, to) in [(120, "a"), (5, "b"), (199, "c")] {
        bench.rename(&format!("p{name}/n{name}"), &format!("elsewhere/{to}"));
    }
    let report = bench.scan();
    assert_eq!(
        (report.changes.moved, report.changes.missing),
        (3, 0),
        "{report:?}"
    );
    let mut now = ["a", "b", "c"].map(|name| bench.id(&format!("elsewhere/{name}")));
    now.sort_unstable();
    let mut was = was;
    was.sort_unstable();
    assert_eq!(now, was, "the nodes of the names that are gone");
}

#[test]
fn a_tree_copied_by_hard_links_and_then_moved_keeps_its_nodes() {
    let tree = tempfile::tempdir().unwrap();
    let bench = Bench::at(tree.path());
    for file in ["m/a", "m/b", "m/sub/c"] {
        bench.write(file, file);
    }
    bench.scan();
    let was = ["m", "m/a", "m/b", "m/sub", "m/sub/c"].map(|path| bench.id(path));
    // The copy is met before the original, wherever that is looked at.
    for (directory, files) in [("copy", &["a", "b"][..]), ("copy/sub", &["c"])] {
        std::fs::create_dir(bench.path(directory)).unwrap();
        let source = directory.replacen("copy", "m", 1);
        for file in files {
            let (from, to) = (format!("{source}/{file}"), format!("{directory}/{file}"));
            std::fs::hard_link(bench.path(&from), bench.path(&to)).unwrap();
        }
    }
    bench.rename("m", "z");
    bench.scan();
    let now = ["z", "z/a", "z/b", "z/sub", "z/sub/c"].map(|path| bench.id(path));
    assert_eq!(now, was);
    assert!(!was.contains(&bench.id("copy/a")), "the copy is new");
}

#[test]
fn a_file_that_an_overlay_copies_up_keeps_its_node() {
    let base = tempfile::tempdir().unwrap();
    for file in ["plan", "moved", "append"] {
        let at = base.path().join("lower/docs");
        std::fs::create_dir_all(&at).unwrap();
        std::fs::write(at.join(file), file).unwrap();
    }
    let merged = Mounted::overlay(base.path(), &base.path().join("merged"));
    let bench = Bench::watched(merged.path());
    let was = ["docs", "docs/plan", "docs/append"].map(|path| bench.id(path));
    // The first change in the directory copies it up, too.
    bench.write("docs/new", "x");
    bench.wait_for("docs/new", 1);
    let append = File::options().append(true).open(bench.path("docs/append"));
    std::io::Write::write_all(&mut append.unwrap(), b" more").unwrap();
    bench.wait_for("docs/append", 11);
    bench.rename("docs/plan", "docs/plan-2027");
    bench.wait_for("docs/plan-2027", 4);
    let now = ["docs", "docs/plan-2027", "docs/append"].map(|path| bench.id(path));
    assert_eq!(now, was);
    assert_eq!(bench.scan().changes.total(), 0);
}

#[test]
fn a_directory_made_anew_is_watched_where_there_are_no_birth_times() {
    let base = tempfile::tempdir().unwrap();
    let disk = DiskImage::make(base.path(), "disk", "ext4", &["-I", "128"]);
    let mounted = disk.mount(&base.path().join("at"));
    let bench = Bench::watched(&mounted.path().join("tree"));
    bench.write("build/a", "x");
    bench.wait_for("build/a", 1);
    for round in 0..3 {
        bench.rename("build", &format!("build.{round}"));
        bench.write("build/first", "x");
        bench.wait_for("build/first", 1);
        bench.write(&format!("build/second{round}"), "xx");
        bench.wait_for(&format!("build/second{round}"), 2);
    }
}

#[test]
fn a_disk_without_birth_times_that_is_not_mounted_makes_nothing_missing() {
    let base = tempfile::tempdir().unwrap();
    let disk = DiskImage::make(base.path(), "nas", "ext4", &["-I", "128"]);
    let at = base.path().join("nas");
    let mounted = disk.mount(&at);
    std::fs::write(at.join("photo"), "x").unwrap();
    let bench = Bench::at(&at);
    mounted.unmount();
    let error = bench.try_scan(false).unwrap_err().to_string();
    assert!(error.contains("another directory"), "{error}");
    assert!(bench.nodes().contains_key("photo"));
    let _again = disk.mount(&at);
    assert_eq!(bench.scan().changes.total(), 0);
}

#[test]
fn another_disk_that_was_formatted_in_the_same_second_is_another_root() {
    let base = tempfile::tempdir().unwrap();
    let at = base.path().join("disk");
    let [a, b] = ["a", "b"].map(|name| DiskImage::make(base.path(), name, "ext4", &[]));
    let mounted = a.mount(&at);
    let born = |path: &Path| path.metadata().unwrap().created().unwrap();
    let first = born(&at);
    std::fs::write(at.join("only-on-a"), "x").unwrap();
    let bench = Bench::at(&at);
    mounted.unmount();
    let mounted = b.mount(&at);
    assert_eq!(born(&at), first, "both roots were made in one second");
    let error = bench.try_scan(false).unwrap_err().to_string();
    assert!(error.contains("another directory"), "{error}");
    assert!(bench.nodes().contains_key("only-on-a"));
    assert_eq!(
        bench.try_scan(true).unwrap().changes.missing,
        1,
        "it is meant"
    );
    drop(mounted);
}

#[test]
fn snapshots_whose_device_numbers_swap_keep_their_nodes() {
    let base = tempfile::tempdir().unwrap();
    let disk = DiskImage::make(base.path(), "disk", "btrfs", &[]);
    let at = base.path().join("at");
    let btrfs = |arguments: &[&str]| {
        let done = std::process::Command::new("btrfs").args(arguments).output();
        let done = done.unwrap();
        assert!(done.status.success(), "{done:?}");
    };
    let spelled = |name: &str| at.join(name).display().to_string();
    let mounted = disk.mount(&at);
    btrfs(&["subvolume", "create", &spelled("one")]);
    std::fs::write(at.join("one/file"), "x").unwrap();
    btrfs(&["subvolume", "snapshot", &spelled("one"), &spelled("two")]);
    let number = |name: &str| at.join(name).metadata().unwrap().dev();
    let before = [number("one"), number("two")];
    let bench = Bench::crossing(&at);
    let was = ["one", "one/file", "two", "two/file"].map(|path| bench.id(path));
    mounted.unmount();
    let mut again = disk.mount(&at);
    // They get the lowest free numbers in the order in which they are asked about. The old ones are free
    // once the kernel is done with the old mount; and another test may have a disk of its own meanwhile.
    let mut after = [number("two"), number("one")];
    for _ in 0..100 {
        if after == before {
            break;
        }
        again.unmount();
        std::thread::park_timeout(Duration::from_millis(50));
        again = disk.mount(&at);
        after = [number("two"), number("one")];
    }
    assert_eq!(after, before, "the numbers are swapped");
    std::fs::rename(at.join("one/file"), at.join("one/renamed")).unwrap();
    bench.scan();
    let now = ["one", "one/renamed", "two", "two/file"].map(|path| bench.id(path));
    assert_eq!(now, was);
    drop(again);
}

#[test]
fn what_is_mounted_over_a_watched_directory_is_seen_and_so_is_its_end() {
    let tree = tempfile::tempdir().unwrap();
    let bench = Bench::watched(tree.path());
    bench.write("data/below", "x");
    bench.wait_for("data/below", 1);
    let was = bench.id("data/below");
    let mounted = Mounted::bind(&bench.path(""), &tree.path().join("data"));
    testkit::wait_for("the file to be hidden", LONG, || {
        match bench.nodes().contains_key("data/below") {
            true => Err(bench.state()),
            false => Ok(()),
        }
    });
    mounted.unmount();
    bench.wait_for("data/below", 1);
    assert_eq!(bench.id("data/below"), was);
}

#[test]
fn a_file_that_gets_its_name_while_it_is_open_is_seen_when_it_is_closed() {
    use rustix::fs::{AtFlags, Mode, OFlags};
    let tree = tempfile::tempdir().unwrap();
    let bench = Bench::watched(tree.path());
    let flags = OFlags::TMPFILE | OFlags::RDWR;
    let nameless = rustix::fs::open(tree.path(), flags, Mode::RUSR | Mode::WUSR).unwrap();
    let handle = format!(
        "/proc/self/fd/{}",
        std::os::fd::AsRawFd::as_raw_fd(&nameless)
    );
    rustix::fs::linkat(
        rustix::fs::CWD,
        handle.as_str(),
        rustix::fs::CWD,
        bench.path("named"),
        AtFlags::SYMLINK_FOLLOW,
    )
    .unwrap();
    bench.wait_for("named", 0);
    let file = File::from(nameless);
    file.write_all_at(b"after that", 0).unwrap();
    drop(file);
    bench.wait_for("named", 10);

    // Opened by a name that is gone when it is written to.
    let file = File::create(bench.path("part")).unwrap();
    std::fs::hard_link(bench.path("part"), bench.path("whole")).unwrap();
    std::fs::remove_file(bench.path("part")).unwrap();
    bench.wait_for("whole", 0);
    file.write_all_at(b"at last", 0).unwrap();
    drop(file);
    bench.wait_for("whole", 7);
}

#[test]
fn sizes_that_add_up_to_more_than_64_bits_are_counted_to_the_byte() {
    const HUGE: u64 = 6 << 60;
    let base = tempfile::tempdir().unwrap();
    let mounted = Mounted::tmpfs(&base.path().join("at"));
    for file in ["one", "two", "three", "four"] {
        std::fs::create_dir_all(mounted.path().join("a/b")).unwrap();
        let file = File::create(mounted.path().join("a/b").join(file)).unwrap();
        file.set_len(HUGE).unwrap();
    }
    let bench = Bench::at(mounted.path());
    bench.write("a/other", "12345");
    let report = bench.scan();
    assert_eq!(report.bytes, u64::MAX, "no more can be told");
    bench.assert_whole();
    std::fs::create_dir(bench.path("c")).unwrap();
    bench.rename("a/b", "c/b");
    bench.scan();
    bench.assert_whole();
    for file in ["one", "two", "three", "four"] {
        std::fs::remove_file(bench.path("c/b").join(file)).unwrap();
        bench.scan();
        bench.assert_whole();
    }
    assert_eq!(bench.nodes()["a/other"].1, 5);
}

#[test]
fn times_before_1677_and_after_2262_are_what_the_disk_says() {
    let base = tempfile::tempdir().unwrap();
    let mounted = Mounted::tmpfs(&base.path().join("at"));
    let bench = Bench::at(mounted.path());
    for (name, seconds) in [("old", -11_670_000_000), ("new", 20_000_000_000)] {
        bench.write(name, "x");
        let time = rustix::fs::Timespec {
            tv_sec: seconds,
            tv_nsec: 5_000_000,
        };
        let times = rustix::fs::Timestamps {
            last_access: time,
            last_modification: time,
        };
        let file = File::open(bench.path(name)).unwrap();
        rustix::fs::futimens(&file, &times).unwrap();
    }
    bench.scan();
    let told = |path: &str| {
        let reader = bench.filestore.reader();
        let mut nodes = reader.snapshot().unwrap().nodes.map(Result::unwrap);
        let node = nodes.find(|node| node.path == path).unwrap();
        node.last_modified_at.unwrap().to_string()
    };
    assert_eq!(told("old"), "1600-03-11T13:20:00.005Z");
    assert_eq!(told("new"), "2603-10-11T11:33:20.005Z");
    assert_eq!(
        bench.scan().changes.total(),
        0,
        "they are known as they are"
    );
    bench.assert_whole();
}

#[test]
fn a_directory_that_is_renamed_while_it_is_watched_keeps_its_nodes_without_birth_times() {
    let base = tempfile::tempdir().unwrap();
    let disk = DiskImage::make(base.path(), "disk", "ext4", &["-I", "128"]);
    let mounted = disk.mount(&base.path().join("at"));
    let bench = Bench::watched(&mounted.path().join("tree"));
    bench.write("build/sub/a", "x");
    bench.write("kept/b", "x");
    bench.wait_for("build/sub/a", 1);
    bench.wait_for("kept/b", 1);
    let was = ["build", "build/sub", "build/sub/a"].map(|path| bench.id(path));
    bench.rename("build", "kept/old");
    bench.write("build/first", "xx");
    bench.wait_for("kept/old/sub/a", 1);
    bench.wait_for("build/first", 2);
    let now = ["kept/old", "kept/old/sub", "kept/old/sub/a"].map(|path| bench.id(path));
    assert_eq!(now, was);
    assert!(!was.contains(&bench.id("build")), "it was made anew");
    assert_eq!(bench.scan().changes.total(), 0);

    // A directory that gets the number of one that is gone is another one.
    let number = |path: &str| bench.path(path).metadata().unwrap().ino();
    let (gone, old) = (bench.id("kept/old"), number("kept/old"));
    std::fs::remove_dir_all(bench.path("kept/old")).unwrap();
    let again = (0..500).map(|next| format!("next{next}")).find(|next| {
        std::fs::create_dir(bench.path(next)).unwrap();
        number(next) == old
    });
    let again = again.expect("the number is given out again");
    bench.wait_for(&again, 0);
    assert_ne!(bench.id(&again), gone);
}

#[test]
fn an_xfs_in_the_tree_has_its_nodes_after_it_was_mounted_again_under_any_device_number() {
    let base = tempfile::tempdir().unwrap();
    let at = base.path().join("at");
    let [one, two] = ["one", "two"].map(|name| DiskImage::make(base.path(), name, "xfs", &[]));
    let mounted = [one.mount(&at.join("one")), two.mount(&at.join("two"))];
    for disk in ["one", "two"] {
        std::fs::write(at.join(disk).join("file"), disk).unwrap();
    }
    let bench = Bench::crossing(&at);
    let was = ["one", "one/file", "two", "two/file"].map(|path| bench.id(path));
    drop(mounted);
    // The numbers go by the order.
    let _again = [two.mount(&at.join("two")), one.mount(&at.join("one"))];
    assert_eq!(bench.scan().changes.total(), 0);
    let now = ["one", "one/file", "two", "two/file"].map(|path| bench.id(path));
    assert_eq!(now, was);
    bench.rename("one/file", "one/renamed");
    bench.scan();
    assert_eq!(bench.id("one/renamed"), was[1]);
}
