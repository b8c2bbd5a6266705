//! Moves and copies between mounts that no rename can do.

use crate::support::{Answered, BUCKET, Ground, Server};
use filestore::{OnStep, Step};
use reqwest::Method;
use serde_json::{Value, json};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tempfile::TempDir;
use testkit::S3Server;

/// A server with the mount "tree", one on another filesystem, and one in a bucket.
struct Three {
    server: Server,
    local: i64,
    other: i64,
    bucket: i64,
}

/// What outlives a server.
struct Places {
    dirs: Arc<TempDir>,
    memory: TempDir,
    s3: S3Server,
}

impl Places {
    fn new() -> Self {
        let dirs = Arc::new(tempfile::tempdir().unwrap());
        let memory = tempfile::tempdir_in("/dev/shm").expect("/dev/shm, which Linux has");
        let device = |path: &Path| path.metadata().unwrap().dev();
        assert_ne!(
            device(dirs.path()),
            device(memory.path()),
            "two filesystems"
        );
        let Ground::S3(s3) = Ground::s3() else {
            unreachable!()
        };
        Self { dirs, memory, s3 }
    }

    async fn start(&self, on_step: Option<OnStep>) -> Three {
        let dirs = Arc::clone(&self.dirs);
        let server = Server::start_with(dirs, move |options| options.on_step = on_step).await;
        let (filestore, root) = (Arc::clone(&server.filestore), self.memory.path().to_owned());
        let other =
            tokio::task::spawn_blocking(move || filestore.ensure_local_mount(&root).unwrap().id);
        let (other, bucket) = (other.await.unwrap(), server.s3_mount(&self.s3).await);
        Three {
            local: server.mount,
            server,
            other,
            bucket,
        }
    }

    fn content(&self, at: &str, path: &str) -> Option<String> {
        let on = |root: PathBuf| std::fs::read_to_string(root.join(path)).ok();
        match at {
            "local" => on(self.dirs.path().join("tree")),
            "other" => on(self.memory.path().to_owned()),
            _ => self.s3.content(BUCKET, path),
        }
    }

    fn own_names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for root in [self.dirs.path().join("tree"), self.memory.path().to_owned()] {
            let entries = std::fs::read_dir(root).unwrap();
            names.extend(entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()));
        }
        names.retain(|name| name.starts_with(".tidemark"));
        names.extend(vec!["an upload".to_owned(); self.s3.uploads(BUCKET)]);
        names
    }
}

impl Three {
    fn mount(&self, at: &str) -> i64 {
        match at {
            "local" => self.local,
            "other" => self.other,
            _ => self.bucket,
        }
    }

    async fn populate(&mut self, at: &str) {
        self.server.mount = self.mount(at);
        self.server
            .upload_with("file", "contents", &[("metadata", r#"{"a":1}"#)], &[])
            .await
            .data();
        self.server.upload("tree/a/b", "deep").await.data();
        self.server.upload("tree/c", "shallow").await.data();
        self.server.mkdir("tree/empty").await.data();
    }

    async fn command(&self, verb: &str, from: &str, to: &str, path: &str) -> Answered {
        let body = json!({
            "backendMountId": self.mount(from), "path": path,
            "targetBackendMountId": self.mount(to), "targetPath": format!("new/{path}"),
            "idempotencyKey": format!("{verb} {from} {to} {path}"),
        });
        self.server
            .json(Method::POST, &format!("/v1/nodes/{verb}"), body)
            .await
    }

    async fn node(&mut self, at: &str, path: &str) -> Value {
        self.server.mount = self.mount(at);
        let answer = self.server.by_path(path).await;
        // A path whose node was deleted still leads to that.
        if answer.status == 404 || answer.data()["state"] == "deleted" {
            Value::Null
        } else {
            answer.data().clone()
        }
    }

    async fn assert_agrees(&mut self, context: &str) {
        for mount in [self.local, self.other, self.bucket] {
            let filestore = Arc::clone(&self.server.filestore);
            let scan = move || {
                filestore
                    .scan(mount, &filestore::ScanOptions::default())
                    .unwrap()
            };
            let report = tokio::task::spawn_blocking(scan).await.unwrap();
            assert_eq!(report.changes.total(), 0, "{context}: {report:?}");
        }
    }

    async fn clear(&mut self) {
        for mount in [self.local, self.other, self.bucket] {
            self.server.mount = mount;
            for path in ["file", "tree", "new"] {
                let _ = self.server.delete(path, true).await;
            }
        }
    }
}

const WAYS: [(&str, &str); 6] = [
    ("local", "other"),
    ("other", "local"),
    ("local", "bucket"),
    ("bucket", "local"),
    ("bucket", "other"),
    ("bucket", "bucket"),
];

#[tokio::test(flavor = "multi_thread")]
async fn nodes_keep_their_ids_on_every_way_between_mounts() {
    let places = Places::new();
    let mut three = places.start(None).await;
    for (from, to) in WAYS {
        let context = format!("{from} to {to}");
        three.populate(from).await;
        let mut before = Vec::new();
        for path in ["file", "tree", "tree/a", "tree/a/b", "tree/c", "tree/empty"] {
            before.push(three.node(from, path).await);
        }
        for path in ["file", "tree"] {
            three.command("move", from, to, path).await.data();
        }
        for was in &before {
            let is = three
                .node(to, &format!("new/{}", was["path"].as_str().unwrap()))
                .await;
            for name in ["id", "metadata", "contentHash", "sizeBytes", "kind"] {
                assert_eq!(is[name], was[name], "{context}: {name} of {was}");
            }
        }
        assert_eq!(
            places.content(to, "new/tree/a/b").as_deref(),
            Some("deep"),
            "{context}"
        );
        assert_eq!(places.content(from, "tree/a/b"), None, "{context}");
        assert_eq!(places.content(from, "file"), None, "{context}");
        three.assert_agrees(&context).await;
        assert!(places.own_names().is_empty(), "{context}");
        three.clear().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_between_mounts_have_their_sources_hashes_and_not_their_ids() {
    let places = Places::new();
    let mut three = places.start(None).await;
    for (from, to) in WAYS {
        let context = format!("{from} to {to}");
        three.populate(from).await;
        for path in ["file", "tree"] {
            three.command("copy", from, to, path).await.data();
        }
        let (source, copy) = (
            three.node(from, "tree/a/b").await,
            three.node(to, "new/tree/a/b").await,
        );
        assert_ne!(source["id"], copy["id"], "{context}");
        assert_eq!(source["contentHash"], copy["contentHash"], "{context}");
        assert_eq!(
            places.content(to, "new/tree/a/b").as_deref(),
            Some("deep"),
            "{context}"
        );
        assert_eq!(
            places.content(from, "tree/a/b").as_deref(),
            Some("deep"),
            "{context}"
        );
        three.assert_agrees(&context).await;
        three.clear().await;
    }
}

async fn crash_and_retry(step: Step, count: usize) {
    let places = Places::new();
    for (from, to) in WAYS {
        for (verb, path) in [
            ("move", "file"),
            ("move", "tree"),
            ("copy", "file"),
            ("copy", "tree"),
        ] {
            let context = format!("{verb} {path} {from} to {to} at {step:?} {count}");
            let (left, is_hit) = (
                Arc::new(AtomicUsize::new(usize::MAX)),
                Arc::new(AtomicBool::new(false)),
            );
            let (at, hit) = (Arc::clone(&left), Arc::clone(&is_hit));
            let on_step: OnStep = Arc::new(move |now| {
                if now == step
                    && at.load(Ordering::SeqCst) != usize::MAX
                    && at.fetch_sub(1, Ordering::SeqCst) == 0
                {
                    hit.store(true, Ordering::SeqCst);
                    panic!("crash at {now:?}");
                }
            });
            let mut three = places.start(Some(on_step)).await;
            three.populate(from).await;
            let id = three.node(from, path).await["id"].clone();
            left.store(count, Ordering::SeqCst);
            let answer = three.command(verb, from, to, path).await;
            let was_hit = is_hit.load(Ordering::SeqCst);
            assert_eq!(answer.status == 500, was_hit, "{context}: {answer:?}");
            three.server.close().await;

            let mut three = places.start(None).await;
            assert!(
                places.own_names().is_empty(),
                "{context}: {:?}",
                places.own_names()
            );
            three.assert_agrees(&context).await;
            let again = three.command(verb, from, to, path).await;
            assert!(again.status.is_success(), "{context}: {again:?}");
            let moved = three.node(to, &format!("new/{path}")).await;
            assert_eq!(moved["id"] == id, verb == "move", "{context}: {moved}");
            let left = three.node(from, path).await;
            assert_eq!(left.is_null(), verb == "move", "{context}: {left}");
            let file = if path == "file" {
                ("new/file", "contents")
            } else {
                ("new/tree/a/b", "deep")
            };
            assert_eq!(
                places.content(to, file.0).as_deref(),
                Some(file.1),
                "{context}"
            );
            three.assert_agrees(&context).await;
            three.clear().await;
            three.server.close().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_that_dies_after_its_intent_did_not_happen() {
    crash_and_retry(Step::Intended, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_that_dies_with_half_a_tree_is_taken_back() {
    crash_and_retry(Step::Copied, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_that_dies_before_its_commit_is_committed() {
    crash_and_retry(Step::FilesChanged, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_that_dies_after_its_commit_loses_its_source() {
    crash_and_retry(Step::Committed, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_bucket_cannot_hold_is_refused_and_nothing_is_moved() {
    let places = Places::new();
    let mut three = places.start(None).await;
    three.populate("local").await;
    std::os::unix::fs::symlink("/etc/passwd", three.server.root.join("tree/link")).unwrap();
    three.server.scan().await;
    for verb in ["move", "copy"] {
        let answer = three.command(verb, "local", "bucket", "tree").await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.detail().contains("symlink"), "{answer:?}");
    }
    assert!(
        places.s3.keys(BUCKET).is_empty(),
        "{:?}",
        places.s3.keys(BUCKET)
    );
    assert_eq!(
        places.content("local", "tree/c").as_deref(),
        Some("shallow")
    );
    three.assert_agrees("refused").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn contents_that_are_not_what_was_hashed_are_not_moved() {
    let places = Places::new();
    let mut three = places.start(None).await;
    three.populate("local").await;
    // Bits that rot change neither size nor time.
    let file = three.server.root.join("file");
    let modified = file.metadata().unwrap().modified().unwrap();
    std::fs::write(&file, "CONTENTS").unwrap();
    std::fs::File::options()
        .write(true)
        .open(&file)
        .unwrap()
        .set_modified(modified)
        .unwrap();
    for to in ["other", "bucket"] {
        let answer = three.command("move", "local", to, "file").await;
        assert_eq!(
            answer.problem(),
            (422, "checksum_mismatch"),
            "{to}: {answer:?}"
        );
        assert_eq!(places.content(to, "new/file"), None);
    }
    assert_eq!(places.content("local", "file").as_deref(), Some("CONTENTS"));
    assert!(places.own_names().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_rewritten_after_it_was_copied_stays_where_it_is() {
    for (from, to) in [("local", "other"), ("local", "bucket"), ("bucket", "other")] {
        let context = format!("{from} to {to}");
        let places = Arc::new(Places::new());
        let at_commit = Arc::clone(&places);
        let is_meant = Arc::new(AtomicBool::new(false));
        let is_on = Arc::clone(&is_meant);
        // As long as it was.
        let on_step = move |step| {
            if step == Step::Committed && is_on.load(Ordering::SeqCst) {
                match from {
                    "bucket" => at_commit.s3.put(BUCKET, "tree/c", "SHALLOW"),
                    _ => {
                        let root = at_commit.dirs.path().join("tree");
                        std::fs::write(root.join("tree/c"), "SHALLOW").unwrap();
                    }
                }
            }
        };
        let mut three = places.start(Some(Arc::new(on_step))).await;
        three.populate(from).await;
        is_meant.store(true, Ordering::SeqCst);
        let moved = three.command("move", from, to, "tree").await;
        assert!(moved.status.is_success(), "{context}: {moved:?}");
        let content = |at: &str, path: &str| places.content(at, path);
        assert_eq!(
            content(from, "tree/c").as_deref(),
            Some("SHALLOW"),
            "{context}"
        );
        assert_eq!(
            content(to, "new/tree/c").as_deref(),
            Some("shallow"),
            "{context}"
        );
        assert_eq!(
            content(from, "tree/a/b"),
            None,
            "{context}: what was copied goes"
        );
        assert_eq!(
            content(to, "new/tree/a/b").as_deref(),
            Some("deep"),
            "{context}"
        );
        // A scan finds it, as a file of its own.
        is_meant.store(false, Ordering::SeqCst);
        three.server.mount = three.mount(from);
        three.server.scan().await;
        let stayed = three.node(from, "tree/c").await;
        assert_ne!(
            stayed["id"],
            three.node(to, "new/tree/c").await["id"],
            "{context}"
        );
        three.assert_agrees(&context).await;
        three.server.close().await;
    }
}
