//! The process dies between any two steps of any command.
//!
//! The hook panics at the named step: the command's thread unwinds without another statement, as if
//! it had been killed there. Then the filestore is closed and opened again.

use crate::support::{Answered, BUCKET, Ground, Server};
use filestore::{OnStep, Step};
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Panics at a step once it is armed.
fn crash_at(step: Step) -> (OnStep, Arc<AtomicBool>) {
    let is_armed = Arc::new(AtomicBool::new(false));
    let armed = Arc::clone(&is_armed);
    let on_step = move |at: Step| {
        assert!(
            !(at == step && armed.load(Ordering::SeqCst)),
            "crash at {at:?}"
        );
    };
    (Arc::new(on_step), is_armed)
}

#[derive(Clone, Copy, Debug)]
enum Command {
    CreateDirectory,
    Upload,
    Overwrite,
    MoveFile,
    MoveDirectory,
    MoveOver,
    DeleteFile,
    DeleteTree,
    PatchMetadata,
    Copy,
    CopyOver,
    CopyTree,
    MoveAcross,
    MoveTreeAcross,
    CopyAcross,
    DeleteEmpty,
    DeleteMissing,
}

const COMMANDS: &[Command] = &[
    Command::CreateDirectory,
    Command::Upload,
    Command::Overwrite,
    Command::MoveFile,
    Command::MoveDirectory,
    Command::MoveOver,
    Command::DeleteFile,
    Command::DeleteTree,
    Command::PatchMetadata,
    Command::Copy,
    Command::CopyOver,
    Command::CopyTree,
    Command::MoveAcross,
    Command::MoveTreeAcross,
    Command::CopyAcross,
    Command::DeleteEmpty,
    Command::DeleteMissing,
];

impl Command {
    /// Whether it goes through this step. Metadata touches no file, and only what has a target
    /// makes directories on the way.
    fn has(self, step: Step) -> bool {
        match (self, step) {
            (Self::PatchMetadata, step) => step == Step::Committed,
            (
                Self::CreateDirectory
                | Self::DeleteFile
                | Self::DeleteTree
                | Self::DeleteEmpty
                | Self::DeleteMissing,
                step,
            ) => step != Step::DirectoriesMade,
            _ => true,
        }
    }

    async fn run(self, server: &Server) -> Answered {
        let post = |path: &'static str, body: Value| server.json(Method::POST, path, body);
        let key = [("Idempotency-Key", "k")];
        match self {
            Self::CreateDirectory => {
                post(
                    "/v1/directories",
                    json!({ "path": "x/y", "idempotencyKey": "k" }),
                )
                .await
            }
            Self::Upload => server.upload_with("x/new", "fresh", &[], &key).await,
            Self::Overwrite => {
                server
                    .upload_with("file", "fresh", &[("overwrite", "true")], &key)
                    .await
            }
            Self::MoveFile => {
                let body =
                    json!({ "path": "file", "targetPath": "x/moved", "idempotencyKey": "k" });
                post("/v1/nodes/move", body).await
            }
            Self::MoveDirectory => {
                let body =
                    json!({ "path": "tree", "targetPath": "x/moved", "idempotencyKey": "k" });
                post("/v1/nodes/move", body).await
            }
            Self::MoveOver => {
                let body = json!({ "path": "file", "targetPath": "other", "overwrite": true,
                    "idempotencyKey": "k" });
                post("/v1/nodes/move", body).await
            }
            Self::DeleteFile => {
                let body = json!({ "path": "file", "idempotencyKey": "k" });
                server.json(Method::DELETE, "/v1/nodes", body).await
            }
            Self::DeleteTree => {
                let body = json!({ "path": "tree", "recursive": true, "idempotencyKey": "k" });
                server.json(Method::DELETE, "/v1/nodes", body).await
            }
            Self::PatchMetadata => {
                let id = server.by_path("file").await.node_id();
                let body = json!({ "set": { "a": 1 }, "idempotencyKey": "k" });
                server
                    .json(Method::PATCH, &format!("/v1/nodes/{id}/metadata"), body)
                    .await
            }
            Self::Copy => {
                let body = json!({ "path": "file", "targetPath": "x/copy", "idempotencyKey": "k" });
                post("/v1/nodes/copy", body).await
            }
            Self::CopyOver => {
                let body = json!({ "path": "file", "targetPath": "other", "overwrite": true,
                    "idempotencyKey": "k" });
                post("/v1/nodes/copy", body).await
            }
            Self::MoveAcross => post("/v1/nodes/move", across(server, "file")).await,
            Self::MoveTreeAcross => post("/v1/nodes/move", across(server, "tree")).await,
            Self::CopyAcross => post("/v1/nodes/copy", across(server, "tree")).await,
            Self::DeleteEmpty => {
                let body = json!({ "path": "empty", "idempotencyKey": "k" });
                server.json(Method::DELETE, "/v1/nodes", body).await
            }
            Self::DeleteMissing => {
                let body = json!({ "path": "missing", "idempotencyKey": "k" });
                server.json(Method::DELETE, "/v1/nodes", body).await
            }
            Self::CopyTree => {
                let body = json!({ "path": "tree", "targetPath": "x/copy", "idempotencyKey": "k" });
                post("/v1/nodes/copy", body).await
            }
        }
    }
}

/// To another mount, below a directory that is not there yet.
fn across(server: &Server, path: &str) -> Value {
    json!({ "path": path, "targetPath": "y/z", "targetBackendMountId": second(server),
        "idempotencyKey": "k" })
}

/// The other mount, made if there is none.
fn second(server: &Server) -> i64 {
    let root = server.dirs.path().join("second");
    std::fs::create_dir_all(&root).unwrap();
    let filestore = Arc::clone(&server.filestore);
    let mount = std::thread::spawn(move || filestore.ensure_local_mount(&root).unwrap().id);
    mount.join().unwrap()
}

/// The disk holds what the nodes say, in both mounts.
async fn assert_disks_agree(server: &Server) {
    server.assert_disk_agrees().await;
    let (filestore, mount) = (Arc::clone(&server.filestore), second(server));
    let scan = move || {
        filestore
            .scan(mount, &filestore::ScanOptions::default())
            .unwrap()
    };
    let report = tokio::task::spawn_blocking(scan).await.unwrap();
    assert_eq!(report.changes.total(), 0, "{report:?}");
}

async fn populate(ground: &Ground, server: &Server) {
    second(server);
    server.upload("missing", "gone soon").await.data();
    ground.remove(server, "missing");
    server.scan().await;
    server.mkdir("empty").await.data();
    server.upload("file", "contents").await.data();
    server.upload("other", "others").await.data();
    server.upload("tree/a/b", "deep").await.data();
    server.upload("tree/c", "shallow").await.data();
}

fn names_in(directory: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

/// The commands that were completed, by their ids.
fn completed(server: &Server) -> Vec<String> {
    let entries = server.entries(journal::JournalId::ZERO);
    let completed = entries
        .iter()
        .filter(|entry| entry.event_type == journal::EventType::CommandCompleted);
    let ids = completed.map(|entry| {
        let data: Value = serde_json::from_str(entry.data.get()).unwrap();
        data["commandId"].as_str().unwrap().to_owned()
    });
    ids.collect()
}

async fn crash_and_retry(ground: &Ground, command: Command, step: Step) {
    let (on_step, is_armed) = crash_at(step);
    let dirs = Arc::new(tempfile::tempdir().unwrap());
    let server = ground
        .start_with(dirs, move |options| options.on_step = Some(on_step))
        .await;
    populate(ground, &server).await;
    let before = completed(&server).len();
    is_armed.store(true, Ordering::SeqCst);
    let crashed = command.run(&server).await;
    // Metadata touches no file, so it has fewer steps to die at.
    let is_hit = crashed.status == 500;
    let has_step = command.has(step);
    assert_eq!(is_hit, has_step, "{command:?} at {step:?}: {crashed:?}");
    let dirs = server.close().await;

    let server = ground.start_with(dirs, |_| {}).await;
    let context = format!("{command:?} at {step:?}");
    let mut left = ground.leftovers(&server);
    left.extend(names_in(&server.dirs.path().join("second")));
    left.retain(|name| !name.starts_with(char::is_alphabetic) || name.contains(' '));
    assert!(left.is_empty(), "{context}: {left:?} left behind");
    assert_disks_agree(&server).await;
    let retried = command.run(&server).await;
    assert!(retried.status.is_success(), "{context}: {retried:?}");
    let is_known = !matches!(step, Step::Intended | Step::DirectoriesMade) || !has_step;
    if is_known {
        assert_eq!(retried.data()["idempotent"], true, "{context}: {retried:?}");
    }
    assert_eq!(
        completed(&server).len(),
        before + 1,
        "{context}: not one effect"
    );
    assert_disks_agree(&server).await;
    let kept = server.close().await;
    drop(kept);
}

async fn crash_all(ground: &Ground, step: Step) {
    for command in COMMANDS {
        crash_and_retry(ground, *command, step).await;
        if let Ground::S3(s3) = ground {
            for key in s3.keys(BUCKET) {
                s3.delete(BUCKET, &key);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_after_the_intent_is_made_good() {
    crash_all(&Ground::Local, Step::Intended).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_the_directories_and_the_file_operation_is_made_good() {
    crash_all(&Ground::Local, Step::DirectoriesMade).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_file_operation_and_commit_is_made_good() {
    crash_all(&Ground::Local, Step::FilesChanged).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_commit_and_answer_is_made_good() {
    crash_all(&Ground::Local, Step::Committed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_after_the_intent_is_made_good_in_a_bucket() {
    crash_all(&Ground::s3(), Step::Intended).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_file_operation_and_commit_is_made_good_in_a_bucket() {
    crash_all(&Ground::s3(), Step::FilesChanged).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_commit_and_answer_is_made_good_in_a_bucket() {
    crash_all(&Ground::s3(), Step::Committed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn directories_made_for_a_command_that_fails_are_taken_back() {
    let dirs = Arc::new(tempfile::tempdir().unwrap());
    let file = dirs.path().join("tree/file");
    let vanish = move |at: Step| {
        if at == Step::DirectoriesMade {
            // It may be the upload that makes it.
            let _ = std::fs::remove_file(&file);
        }
    };
    let hook: OnStep = Arc::new(vanish);
    let server = Server::start_with(dirs, move |options| options.on_step = Some(hook)).await;
    server.upload("file", "contents").await.data();
    let head = server.head();
    let moved = server.rename("file", "a/b/c").await;
    assert_eq!(moved.problem(), (409, "conflict"));
    // Only of the file that is not there any more, and of nothing that was made for it.
    let told = server.told(head);
    let drift = [
        crate::support::told("drift.detected", "file", 0),
        crate::support::told("node.updated", "file", 0),
        crate::support::told("reconciliation.job.queued", "file", 0),
    ];
    assert!(told.starts_with(&drift), "{told:?}");
    let is_of_another = |(_, path, _): &(String, String, i64)| path != "file";
    assert!(!told.iter().any(is_of_another), "{told:?}");
    assert!(server.names().is_empty(), "{:?}", server.names());
}
