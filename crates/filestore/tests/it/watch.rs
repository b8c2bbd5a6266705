//! Watching: what changes behind Tidemark's back is seen without a rescan, and what cannot be
//! watched is said and rescanned.

use crate::support::Server;
use filestore::{Filestore, Options, Rescan, RescanOptions, ScanOptions, Watch, WatchOptions};
use journal::{Entry, EventType, JournalId, NodeState};
use parking_lot::{Condvar, Mutex};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

/// A watched tree. Nothing rescans it.
struct Watched {
    watch: Watch,
    filestore: Arc<Filestore>,
    mount: i64,
    tree: tempfile::TempDir,
    _data: tempfile::TempDir,
}

impl Watched {
    fn start(paths: &[&str]) -> Self {
        Self::start_with(paths, WatchOptions::default())
    }

    fn start_with(paths: &[&str], options: WatchOptions) -> Self {
        let (data, tree) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for path in paths {
            write(&tree.path().join(path), path);
        }
        let filestore = Filestore::open(Options::new(data.path())).unwrap();
        let mount = filestore.ensure_local_mount(tree.path()).unwrap().id;
        let watch = Watch::start(Arc::clone(&filestore), options).unwrap();
        filestore.scan(mount, &ScanOptions::default()).unwrap();
        Self {
            watch,
            filestore,
            mount,
            tree,
            _data: data,
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.tree.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        write(&self.path(path), text);
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

    fn head(&self) -> JournalId {
        self.filestore.reader().position().unwrap().head
    }

    fn entries(&self, after: JournalId) -> Vec<Entry> {
        self.filestore
            .reader()
            .read(after, 100_000)
            .unwrap()
            .entries
    }

    /// Waits until the nodes are what is on disk.
    fn wait_until_equal(&self) {
        testkit::wait_for("the nodes to equal the disk", LONG, || {
            let (nodes, disk) = (self.nodes(), on_disk(self.tree.path()));
            let nodes: BTreeMap<_, _> = nodes
                .into_iter()
                .map(|(path, (_, size))| (path, size))
                .collect();
            if nodes == disk {
                Ok(())
            } else {
                Err((nodes, disk))
            }
        });
    }

    /// Waits for this many entries, and gives what they tell.
    fn wait_for_entries(&self, after: JournalId, count: usize) -> Vec<(String, String)> {
        testkit::wait_for("the entries", LONG, || {
            let entries = self.entries(after);
            let told: Vec<_> = entries.iter().map(told).collect();
            if told.len() >= count {
                Ok(told)
            } else {
                Err(told)
            }
        })
    }

    fn status(&self) -> serde_json::Value {
        let mounts = self.filestore.mounts().unwrap();
        let mount = mounts.into_iter().find(|mount| mount.id == self.mount);
        serde_json::to_value(self.filestore.watch_status(&mount.unwrap())).unwrap()
    }
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn told(entry: &Entry) -> (String, String) {
    let data: serde_json::Value = serde_json::from_str(entry.data.get()).unwrap();
    let event_type = entry.event_type.as_str().trim_start_matches("filestore.");
    let path = data["path"].as_str().unwrap_or_default();
    (event_type.to_owned(), path.to_owned())
}

fn expected(entries: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = entries.iter();
    owned
        .map(|(event_type, path)| ((*event_type).to_owned(), (*path).to_owned()))
        .collect()
}

/// Path and size of all that is on disk.
fn on_disk(root: &Path) -> BTreeMap<String, i64> {
    let mut found = BTreeMap::from([(String::new(), 0)]);
    let mut directories = vec![String::new()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(root.join(&directory)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let path = if directory.is_empty() {
                name
            } else {
                format!("{directory}/{name}")
            };
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            let size = if metadata.is_file() {
                metadata.len().cast_signed()
            } else {
                0
            };
            if metadata.is_dir() {
                directories.push(path.clone());
            }
            found.insert(path, size);
        }
    }
    found
}

#[test]
fn each_change_is_seen_and_told_once() {
    let watched = Watched::start(&["d/a", "d/b", "e/c"]);
    let (a, b) = (watched.id("d/a"), watched.id("d/b"));
    let head = watched.head();
    watched.write("d/a", "longer than before");
    assert_eq!(
        watched.wait_for_entries(head, 3),
        expected(&[
            ("drift.detected", "d/a"),
            ("node.updated", "d/a"),
            ("command.completed", ""),
        ])
    );
    let head = watched.head();
    watched.rename("d/b", "e/moved");
    assert_eq!(
        watched.wait_for_entries(head, 3),
        expected(&[
            ("drift.detected", "d/b"),
            ("node.moved", "e/moved"),
            ("command.completed", ""),
        ])
    );
    let entries = watched.entries(head);
    let data: serde_json::Value = serde_json::from_str(entries[0].data.get()).unwrap();
    assert_eq!(data["nodeId"], b);
    assert_eq!(
        (&data["reason"], &data["reporter"]),
        (&"drift".into(), &"watch".into())
    );
    let head = watched.head();
    std::fs::remove_file(watched.path("d/a")).unwrap();
    assert_eq!(
        watched.wait_for_entries(head, 3),
        expected(&[
            ("drift.detected", "d/a"),
            ("node.missing", "d/a"),
            ("command.completed", ""),
        ])
    );
    let entries = watched.entries(head);
    let data: serde_json::Value = serde_json::from_str(entries[1].data.get()).unwrap();
    assert_eq!(
        (&data["reason"], &data["previousState"]),
        (&"drift".into(), &"active".into())
    );
    assert_eq!(
        (watched.id("e/moved"), data["nodeId"].as_i64()),
        (b, Some(a))
    );
    let head = watched.head();
    watched.write("new/deep/er/file", "x");
    watched.wait_until_equal();
    let created = watched.wait_for_entries(head, 6);
    assert!(created.contains(&("node.created".to_owned(), "new/deep/er/file".to_owned())));
    // A directory that came just now is watched like any other.
    let head = watched.head();
    watched.write("new/deep/er/file", "xx");
    watched.wait_for_entries(head, 3);
    watched.wait_until_equal();
    assert_eq!(watched.status()["state"], "watching");
}

#[test]
fn watches_follow_directories_through_renames_and_leave_with_them() {
    let watched = Watched::start(&["a/b/c/file", "z/file"]);
    let ids = ["a/b", "a/b/c", "a/b/c/file"].map(|path| watched.id(path));
    watched.rename("a/b", "z/b");
    watched.wait_until_equal();
    assert_eq!(
        ["z/b", "z/b/c", "z/b/c/file"].map(|path| watched.id(path)),
        ids
    );
    watched.write("z/b/c/file", "under its new name");
    watched.wait_until_equal();
    // Made anew under the same names: other directories, the same nodes, watched again.
    std::fs::remove_dir_all(watched.path("z/b")).unwrap();
    watched.write("z/b/c/file", "again");
    watched.wait_until_equal();
    watched.write("z/b/c/other", "1");
    watched.wait_until_equal();
    let outside = tempfile::tempdir_in(watched.tree.path().parent().unwrap()).unwrap();
    let gone = outside.path().join("gone");
    std::fs::rename(watched.path("z/b"), &gone).unwrap();
    watched.wait_until_equal();
    // It is outside now: what happens there is nobody's business.
    let head = watched.head();
    write(&gone.join("c/file"), "outside");
    watched.write("a/marker", "1");
    watched.wait_until_equal();
    let told = watched.wait_for_entries(head, 3);
    assert!(
        told.iter().all(|(_, path)| !path.contains("z/b")),
        "{told:?}"
    );
    std::fs::rename(&gone, watched.path("back")).unwrap();
    watched.wait_until_equal();
    assert_eq!(watched.id("back"), ids[0]);
}

#[test]
fn more_directories_than_may_be_watched_are_rescanned_by_period_and_said() {
    let paths: Vec<_> = (0..40)
        .map(|directory| format!("d{directory}/file"))
        .collect();
    let paths: Vec<_> = paths.iter().map(String::as_str).collect();
    let options = WatchOptions {
        most_directories: 10,
        ..WatchOptions::default()
    };
    let watched = Watched::start_with(&paths, options);
    let status = watched.status();
    assert_eq!(status["state"], "partial");
    assert_eq!(status["watchedDirectories"], 10);
    assert_eq!(status["unwatchedDirectories"], 31);
    let rescan = RescanOptions {
        interval: Duration::from_millis(50),
        watched_interval: Duration::from_secs(3_600),
    };
    let rescan = Rescan::start(Arc::clone(&watched.filestore), rescan).unwrap();
    for directory in 0..40 {
        watched.write(&format!("d{directory}/file"), "changed");
        watched.write(&format!("d{directory}/new"), "1");
    }
    watched.wait_until_equal();
    // Directories go, and there is room for all.
    for directory in 5..40 {
        std::fs::remove_dir_all(watched.path(&format!("d{directory}"))).unwrap();
    }
    testkit::wait_for("all to be watched", LONG, || {
        let status = watched.status();
        if status["state"] == "watching" {
            Ok(())
        } else {
            Err(status)
        }
    });
    drop(rescan);
}

#[test]
fn ids_survive_renames_whose_old_names_are_taken_at_once() {
    let files: Vec<_> = (0..8).map(|file| format!("d{file}/log")).collect();
    let files: Vec<_> = files.iter().map(String::as_str).collect();
    // So short that looks fall between the steps.
    let options = WatchOptions {
        settle: Duration::from_micros(200),
        ..WatchOptions::default()
    };
    let watched = Watched::start_with(&files, options);
    for round in 0..60 {
        let (from, to) = (round % 8, (round + 3) % 8);
        let log = watched.id(&format!("d{from}/log"));
        watched.rename(&format!("d{from}/log"), &format!("d{to}/log.{round}"));
        watched.write(&format!("d{from}/log"), &"fresh".repeat(round));
        // A directory too, with all in it.
        let kept = watched.id(&format!("d{to}"));
        watched.rename(&format!("d{to}"), &format!("d{from}/moved{round}"));
        watched.write(&format!("d{to}/log"), "made anew");
        watched.wait_until_equal();
        assert_eq!(
            watched.id(&format!("d{from}/moved{round}")),
            kept,
            "{round}"
        );
        let at = format!("d{from}/moved{round}/log.{round}");
        assert_eq!(watched.id(&at), log, "{round}");
        assert_ne!(watched.id(&format!("d{from}/log")), log, "{round}");
        // Both directories are watched where they are now.
        watched.write(&format!("d{to}/late"), "1");
        watched.write(&format!("d{from}/moved{round}/late"), "1");
        watched.wait_until_equal();
    }
    assert_eq!(watched.status()["state"], "watching");
}

/// Stops the one who reads events while it is closed.
#[derive(Default)]
struct Gate {
    is_closed: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn pass(&self) {
        let mut is_closed = self.is_closed.lock();
        while *is_closed {
            self.opened.wait(&mut is_closed);
        }
    }

    fn set(&self, is_closed: bool) {
        *self.is_closed.lock() = is_closed;
        self.opened.notify_all();
    }
}

#[test]
fn an_overflow_of_the_kernels_queue_is_made_good_by_a_whole_scan() {
    let gate = Arc::new(Gate::default());
    let at_gate = Arc::clone(&gate);
    let options = WatchOptions {
        on_read: Some(Arc::new(move || at_gate.pass())),
        ..WatchOptions::default()
    };
    let watched = Watched::start_with(&["d/file", "e/file"], options);
    gate.set(true);
    // Two events and more each: twice what the queue holds by default.
    for file in 0..20_000 {
        std::fs::write(watched.path(&format!("d/f{file}")), "x").unwrap();
    }
    // The last of all: the queue was full long before.
    watched.write("e/late", "x");
    watched.rename("e/file", "e/moved");
    gate.set(false);
    watched.wait_until_equal();
    testkit::wait_for("nothing to be missed", LONG, || {
        let status = watched.status();
        if status["state"] == "watching" {
            Ok(())
        } else {
            Err(status)
        }
    });
    let reasons = watched.entries(JournalId::ZERO);
    let drifts = reasons
        .iter()
        .filter(|entry| entry.event_type == EventType::DriftDetected);
    assert!(drifts.count() < 20, "one a scan, not one a file");
}

#[test]
fn nothing_is_looked_at_once_it_has_stopped() {
    let watched = Watched::start(&["d/file"]);
    let Watched { watch, .. } = watched;
    drop(watch);
    let head = watched.filestore.reader().position().unwrap().head;
    write(&watched.tree.path().join("d/file"), "changed");
    let after = watched
        .filestore
        .reader()
        .wait(head, Duration::from_millis(500))
        .unwrap();
    assert_eq!(after.head, head);
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_commands_are_told_by_themselves_only() {
    let server = Server::start().await;
    let watch = Watch::start(Arc::clone(&server.filestore), WatchOptions::default()).unwrap();
    server.scan().await;
    let head = server.head();
    for number in 0..50 {
        server
            .upload(&format!("d{}/f{number}", number % 5), "contents")
            .await
            .data();
    }
    server.mkdir("made/by/command").await.data();
    server.rename("d0", "moved").await.data();
    server.rename("d1/f1", "made/by/f1").await.data();
    server.delete("d2", true).await.data();
    server.delete("d3/f3", false).await.data();
    // Something of others, last: when it is seen, all before has been looked at.
    std::fs::write(server.root.join("d3/foreign"), "x").unwrap();
    std::fs::write(server.root.join("made/by/command/foreign"), "x").unwrap();
    let commands = |filestore: &Filestore| {
        let entries = filestore.reader().read(head, 100_000).unwrap().entries;
        let by = entries.iter().map(|entry| {
            let data: serde_json::Value = serde_json::from_str(entry.data.get()).unwrap();
            let by = data["command"].as_str().unwrap_or_default().to_owned();
            (by, told(entry).1)
        });
        by.filter(|(by, _)| by == "watch").collect::<Vec<_>>()
    };
    let filestore = Arc::clone(&server.filestore);
    let seen = testkit::wait_for_async("the foreign files", LONG, async || {
        let seen = commands(&filestore);
        let foreign = seen.iter().filter(|(_, path)| path.ends_with("foreign"));
        if foreign.count() == 2 {
            Ok(seen)
        } else {
            Err(seen)
        }
    })
    .await;
    let foreign = seen
        .iter()
        .all(|(_, path)| path.is_empty() || path.ends_with("foreign"));
    assert!(foreign, "{seen:?}");
    server.assert_disk_agrees().await;
    let dropped = tokio::task::spawn_blocking(move || drop(watch));
    dropped.await.unwrap();
    server.close().await;
}
