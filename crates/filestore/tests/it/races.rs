//! A directory is swapped for a symlink out of the mount, over and over, while commands run.
//!
//! The swap is one atomic exchange of two names, so at every moment the name is one or the other,
//! and a command that checked it as a directory may well use it as a link.

use crate::support::{Answered, Server};
use reqwest::Method;
use rustix::fs::{CWD, RenameFlags};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

/// Exchanges two names until it is told to stop.
struct Swapper {
    stop: Arc<AtomicBool>,
    swaps: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Swapper {
    fn start(one: &Path, other: &Path) -> Self {
        let (stop, swaps) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (is_over, count) = (Arc::clone(&stop), Arc::clone(&swaps));
        let (one, other) = (one.to_owned(), other.to_owned());
        let thread = std::thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                // The commands may have taken one of them away for the moment.
                if rustix::fs::renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE).is_ok()
                {
                    count.fetch_add(1, Ordering::Relaxed);
                }
                std::thread::yield_now();
            }
        });
        Self {
            stop,
            swaps,
            thread: Some(thread),
        }
    }

    fn stop(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
        self.swaps.load(Ordering::Relaxed)
    }
}

/// What lies outside, with a file for each name that the commands use.
const OUTSIDE: &str = "f 6\ng 6\nsub/f 6\nsub/deep/f 6";

fn listing(root: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let name = entry
                .path()
                .strip_prefix(root)
                .unwrap()
                .display()
                .to_string();
            if entry.file_type().unwrap().is_dir() {
                directories.push(entry.path());
                found.push((name, String::new()));
            } else {
                found.push((name, std::fs::read_to_string(entry.path()).unwrap()));
            }
        }
    }
    found.sort();
    found
}

async fn every_command(server: &Server, round: usize) -> Vec<Answered> {
    let (copy, moved) = (format!("copy-{round}"), format!("moved-{round}"));
    let overwrite = [("overwrite", "true")];
    let post = |path: &'static str, from: String, to: String| {
        let body = json!({ "path": from, "targetPath": to, "overwrite": true });
        server.json(Method::POST, path, body)
    };
    vec![
        server.mkdir(&format!("d/sub/made-{round}")).await,
        server.upload_with("d/f", "mine", &overwrite, &[]).await,
        server
            .upload_with(&format!("d/sub/new-{round}"), "mine", &[], &[])
            .await,
        post("/v1/nodes/copy", "d/f".to_owned(), copy.clone()).await,
        post("/v1/nodes/copy", "d/sub".to_owned(), format!("{copy}-tree")).await,
        post("/v1/nodes/copy", "safe".to_owned(), "d/g".to_owned()).await,
        post("/v1/nodes/move", "d/f".to_owned(), moved.clone()).await,
        post("/v1/nodes/move", moved.clone(), "d/f".to_owned()).await,
        post(
            "/v1/nodes/move",
            "d/sub/deep".to_owned(),
            format!("{moved}-tree"),
        )
        .await,
        post(
            "/v1/nodes/move",
            format!("{moved}-tree"),
            "d/sub/deep".to_owned(),
        )
        .await,
        server.delete(&format!("d/sub/new-{round}"), false).await,
        server.delete(&format!("d/sub/made-{round}"), true).await,
        server.delete("d/g", false).await,
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_is_swapped_for_a_symlink_during_every_command_leads_nowhere() {
    let server = Server::start().await;
    let outside = server.dirs.path().join("outside");
    testkit::tree(&outside, OUTSIDE);
    let before = listing(&outside);
    testkit::tree(
        &server.root,
        "safe 1\nd/f 4\nd/g 4\nd/sub/f 4\nd/sub/deep/f 4",
    );
    std::os::unix::fs::symlink(&outside, server.root.join("link")).unwrap();
    server.scan().await;
    let id = server.by_path("d/f").await.node_id();

    let swapper = Swapper::start(&server.root.join("d"), &server.root.join("link"));
    let mut succeeded = 0;
    for round in 0..40 {
        let mut answers = every_command(&server, round).await;
        let content = server.get(&format!("/v1/files/{id}/content")).await;
        let secret = &before[0].1;
        assert_ne!(&content.text, secret, "a download left the mount");
        answers.push(content);
        for answer in &answers {
            assert!(
                answer.status.as_u16() < 500,
                "a race is refused, not a failure: {answer:?}"
            );
            succeeded += usize::from(answer.status.is_success());
        }
        server.scan().await;
    }
    let swaps = swapper.stop();
    assert_eq!(listing(&outside), before, "something outside was touched");
    assert!(swaps > 100, "only {swaps} swaps");
    assert!(succeeded > 0, "no command ever met a directory");
    server.scan().await;
    server.assert_disk_agrees().await;
}
