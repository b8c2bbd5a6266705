//! As a user whom the disk refuses something. The tests run as root, whom nothing refuses; so these
//! give up that right, on one thread and on those that come of it.

use crate::support::Server;
use reqwest::Method;
use rustix::process::{Gid, Uid};
use serde_json::json;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Nobody.
const USER: u32 = 65_534;

/// Runs a test as nobody. On Linux the user is a thread's own, and threads take it over from the
/// one that starts them: so the filestore, its walk and the server are all nobody's.
fn as_nobody(test: impl AsyncFnOnce() + Send + 'static) {
    let run = || {
        if rustix::process::geteuid().is_root() {
            let (user, group) = (Uid::from_raw(USER), Gid::from_raw(USER));
            rustix::thread::set_thread_groups(&[]).unwrap();
            rustix::thread::set_thread_res_gid(group, group, group).unwrap();
            rustix::thread::set_thread_res_uid(user, user, user).unwrap();
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(test());
    };
    std::thread::spawn(run).join().unwrap();
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn what_cannot_be_read_is_reported_and_keeps_what_is_known() {
    as_nobody(async || {
        let server = Server::start().await;
        testkit::tree(
            &server.root,
            "open/f 1\nclosed/f 2\nclosed/sub/g 3\nsecret 4",
        );
        server.scan().await;
        let at = |path: &str| server.root.join(path);
        chmod(&at("closed"), 0o000);
        chmod(&at("secret"), 0o000);
        std::fs::remove_file(at("open/f")).unwrap();

        let report = server.scan().await;
        assert_eq!(report.problem_count, 1, "{report:?}");
        assert_eq!(report.problems[0].path, "closed");
        // Two got other permissions, and one is gone.
        let changes = report.changes;
        assert_eq!(
            (changes.missing, changes.updated, changes.total()),
            (1, 2, 3)
        );
        // A file need not be readable to be known by its size and time.
        assert_eq!(server.by_path("secret").await.data()["sizeBytes"], 4);
        assert_eq!(
            server.by_path("closed/sub/g").await.data()["state"],
            "active"
        );

        // Its contents are refused, and the refusal says why.
        let id = server.by_path("secret").await.node_id();
        let content = server.get(&format!("/v1/files/{id}/content")).await;
        assert_eq!(content.problem(), (403, "forbidden"));
        assert!(
            content.detail().contains("permissions"),
            "{}",
            content.detail()
        );

        chmod(&at("closed"), 0o755);
        chmod(&at("secret"), 0o644);
        let report = server.scan().await;
        assert_eq!(
            (
                report.problem_count,
                report.changes.updated,
                report.changes.total()
            ),
            (0, 2, 2),
            "{report:?}"
        );
    });
}

#[test]
fn commands_that_the_disk_refuses_change_nothing() {
    as_nobody(async || {
        let server = Server::start().await;
        testkit::tree(&server.root, "fixed/f 1\nfixed/sub/g 2\nfree 3\nclosed/h 4");
        server.scan().await;
        let at = |path: &str| server.root.join(path);
        chmod(&at("fixed"), 0o555);
        chmod(&at("closed"), 0o000);
        let head = server.head();
        let copy = |from: &str, to: &str| {
            let body = json!({ "path": from, "targetPath": to });
            server.json(Method::POST, "/v1/nodes/copy", body)
        };
        let overwrite = [("overwrite", "true")];
        let refused = [
            server.mkdir("fixed/new").await,
            server.upload("fixed/new", "x").await,
            server.upload_with("fixed/f", "x", &overwrite, &[]).await,
            server.rename("fixed/f", "moved").await,
            server.rename("free", "fixed/moved").await,
            server.delete("fixed/f", false).await,
            server.delete("fixed/sub", true).await,
            copy("free", "fixed/copy").await,
            copy("closed", "copy").await,
            server.mkdir("closed/new").await,
        ];
        for answer in refused {
            assert_eq!(answer.problem(), (403, "forbidden"), "{answer:?}");
        }
        assert_eq!(server.head(), head, "a refused command tells nothing");
        chmod(&at("fixed"), 0o755);
        chmod(&at("closed"), 0o755);
        assert_eq!(
            server.names(),
            ["closed", "fixed", "free"],
            "nothing is left behind"
        );
        server.assert_disk_agrees().await;
    });
}
