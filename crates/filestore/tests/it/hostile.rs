//! Nothing escapes the mount.

use crate::support::Server;
use reqwest::Method;
use serde_json::json;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

#[tokio::test]
async fn hostile_paths_are_refused_by_every_command() {
    let server = Server::start().await;
    server.upload("f", "1").await.data();
    let outside = server.dirs.path().join("outside");
    std::fs::write(&outside, "secret").unwrap();
    let head = server.head();
    let paths = [
        "..",
        "../outside",
        "/../outside",
        "a/../../outside",
        "a/..",
        "./a",
        "a/./b",
        "a//b",
        "//outside",
        "",
        "/",
        "nul\0byte",
        &"n".repeat(256),
        &"deep/".repeat(900),
        "\u{EFC3}\u{EFA9}",
        ".tidemark-x.part",
        ".tidemark-x.trash/in",
    ];
    for path in paths {
        let answers = [
            server.mkdir(path).await,
            server.upload(path, "x").await,
            server.delete(path, true).await,
            server.rename(path, "target").await,
            server.rename("f", path).await,
        ];
        for answer in answers {
            assert_eq!(
                answer.problem(),
                (400, "invalid_path"),
                "{path:?}: {answer:?}"
            );
        }
    }
    assert_eq!(server.head(), head);
    assert_eq!(server.names(), ["f"]);
    assert_eq!(std::fs::read_to_string(outside).unwrap(), "secret");
}

#[tokio::test]
async fn odd_names_are_names() {
    let server = Server::start().await;
    let names = [
        "with space".to_owned(),
        "new\nline".to_owned(),
        "…\u{202e}txt.exe".to_owned(),
        "back\\slash".to_owned(),
        "%2e%2e".to_owned(),
        "...".to_owned(),
        "n".repeat(255),
        "caf\u{EFE9}".to_owned(),
        "-rf".to_owned(),
        "'\"`$(x)".to_owned(),
    ];
    for name in &names {
        let id = server.upload(&format!("d/{name}"), "x").await.node_id();
        let found = server.by_path(&format!("d/{name}")).await;
        assert_eq!(found.node_id(), id);
        assert_eq!(found.data()["name"], *name);
        let content = server.request(Method::GET, &format!("/v1/files/{id}/content"));
        let content = content.send().await.unwrap();
        assert!(
            content.headers()["content-disposition"]
                .to_str()
                .unwrap()
                .is_ascii()
        );
        assert_eq!(content.text().await.unwrap(), "x");
        server
            .rename(&format!("d/{name}"), &format!("e/{name}"))
            .await
            .data();
    }
    let latin1 = std::ffi::OsStr::from_bytes(b"e/caf\xE9");
    assert!(
        server.root.join(latin1).is_file(),
        "the byte stands behind the spelling"
    );
    server.assert_disk_agrees().await;
    server.delete("e", true).await.data();
    server.assert_disk_agrees().await;
}

#[tokio::test]
async fn symlinks_out_of_the_mount_are_never_followed() {
    let server = Server::start().await;
    let outside = server.dirs.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("secret"), "secret").unwrap();
    symlink(&outside, server.root.join("out")).unwrap();
    symlink(outside.join("secret"), server.root.join("leak")).unwrap();
    symlink("/dev/zero", server.root.join("zero")).unwrap();
    server.scan().await;

    // What lies behind a link is not there.
    assert_eq!(
        server.mkdir("out/made").await.problem(),
        (409, "wrong_kind")
    );
    assert_eq!(
        server.upload("out/made", "x").await.problem(),
        (409, "wrong_kind")
    );
    assert_eq!(
        server.delete("out/secret", false).await.problem(),
        (404, "not_found")
    );
    assert_eq!(
        server.rename("out/secret", "mine").await.problem(),
        (404, "not_found")
    );
    for name in ["leak", "out", "zero"] {
        let id = server.by_path(name).await.node_id();
        let content = server.get(&format!("/v1/files/{id}/content")).await;
        assert_eq!(content.problem(), (409, "wrong_kind"));
    }
    // The link itself is moved, replaced and deleted as what it is.
    server.rename("leak", "d/leak").await.data();
    assert!(server.root.join("d/leak").is_symlink());
    server
        .upload_with("d/leak", "mine", &[("overwrite", "true")], &[])
        .await
        .data();
    assert!(!server.root.join("d/leak").is_symlink());
    server.delete("out", true).await.data();
    server.delete("d", true).await.data();
    assert_eq!(
        std::fs::read_to_string(outside.join("secret")).unwrap(),
        "secret"
    );
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
    server.assert_disk_agrees().await;
}

#[tokio::test]
async fn a_directory_that_became_a_symlink_leads_nowhere() {
    let server = Server::start().await;
    let outside = server.dirs.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("f"), "secret").unwrap();
    let id = server.upload("d/f", "mine").await.node_id();
    // Behind our back; the catalogue still says directory.
    std::fs::rename(server.root.join("d"), server.root.join("elsewhere")).unwrap();
    symlink(&outside, server.root.join("d")).unwrap();

    assert_eq!(
        server
            .get(&format!("/v1/files/{id}/content"))
            .await
            .problem(),
        (409, "conflict")
    );
    assert_eq!(
        server.upload("d/g", "x").await.problem(),
        (409, "wrong_kind")
    );
    let overwrite = server
        .upload_with("d/f", "x", &[("overwrite", "true")], &[])
        .await;
    assert_eq!(overwrite.problem(), (409, "wrong_kind"));
    assert_eq!(
        server.rename("d/f", "mine").await.problem(),
        (409, "conflict")
    );
    assert_eq!(server.delete("d", true).await.problem(), (409, "conflict"));
    assert_eq!(server.mkdir("d/sub").await.problem(), (409, "wrong_kind"));
    assert_eq!(
        std::fs::read_to_string(outside.join("f")).unwrap(),
        "secret"
    );
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
}

#[tokio::test]
async fn a_tree_of_symlinks_is_deleted_without_following_one() {
    let server = Server::start().await;
    let outside = server.dirs.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("f"), "secret").unwrap();
    server.mkdir("d/e").await.data();
    symlink(&outside, server.root.join("d/e/link")).unwrap();
    symlink("..", server.root.join("d/loop")).unwrap();
    server.delete("d", true).await.data();
    assert!(server.names().is_empty());
    assert_eq!(
        std::fs::read_to_string(outside.join("f")).unwrap(),
        "secret"
    );
}

#[tokio::test]
async fn many_levels_are_deleted_with_few_handles() {
    let server = Server::start().await;
    // Made and catalogued behind its back; more levels than a process may have open files.
    std::fs::create_dir_all(server.root.join(vec!["d"; 1_500].join("/"))).unwrap();
    server.scan().await;
    let answer = server.delete("d", true).await;
    assert_eq!(answer.data()["result"]["deleted"], 1_500);
    assert!(server.names().is_empty());
}

#[tokio::test]
async fn the_data_directory_is_out_of_reach() {
    let dirs = std::sync::Arc::new(tempfile::tempdir().unwrap());
    let server = Server::start_with(dirs, |options| {
        options.data_dir = options.data_dir.parent().unwrap().join("tree/.tidemark");
    })
    .await;
    let refused = [
        server.upload(".tidemark/filestore.db", "x").await,
        server.delete(".tidemark", true).await,
        server.rename(".tidemark", "mine").await,
        server.mkdir(".tidemark/x").await,
    ];
    for answer in refused {
        assert_eq!(answer.problem(), (403, "forbidden"), "{answer:?}");
    }
    server.mkdir("other").await.data();
    let body = json!({ "path": "other", "targetPath": ".tidemark/other" });
    let answer = server.json(Method::POST, "/v1/nodes/move", body).await;
    assert_eq!(answer.problem(), (403, "forbidden"));
}
