//! What a tree may hold that is not a plain file with a plain name.

use crate::support::Server;
use reqwest::Method;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use serde_json::json;
use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

#[tokio::test]
async fn pipes_sockets_and_devices_are_files_without_contents() {
    let server = Server::start().await;
    let at = |path: &str| server.root.join(path);
    std::fs::create_dir(at("d")).unwrap();
    rustix::fs::mknodat(CWD, at("d/pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    let _socket = UnixListener::bind(at("d/socket")).unwrap();
    let mut names = vec!["d/pipe", "d/socket"];
    // Who is not root makes no devices.
    let zero = rustix::fs::makedev(1, 5);
    if rustix::fs::mknodat(
        CWD,
        at("d/zero"),
        FileType::CharacterDevice,
        Mode::RUSR,
        zero,
    )
    .is_ok()
    {
        names.push("d/zero");
    }
    server.scan().await;
    for name in &names {
        let node = server.by_path(name).await;
        let data = node.data();
        assert_eq!(
            (&data["kind"], &data["sizeBytes"]),
            (&json!("file"), &json!(0))
        );
        assert_eq!(data["isSymlink"], false);
        // Nobody waits for somebody to write into the pipe.
        let content = server
            .get(&format!("/v1/files/{}/content", node.node_id()))
            .await;
        assert_eq!(content.problem(), (409, "unsupported"), "{name}");
        let copy = json!({ "path": name, "targetPath": "copy" });
        let copy = server.json(Method::POST, "/v1/nodes/copy", copy).await;
        assert_eq!(copy.problem(), (409, "unsupported"), "{name}");
    }
    let tree = json!({ "path": "d", "targetPath": "copy" });
    let tree = server.json(Method::POST, "/v1/nodes/copy", tree).await;
    assert_eq!(tree.problem(), (409, "unsupported"));
    assert_eq!(
        server.names(),
        ["d"],
        "a copy that fails leaves nothing behind"
    );
    // They are moved, replaced and deleted as what they are.
    server.rename("d/pipe", "pipe").await.data();
    let overwrite = [("overwrite", "true")];
    server
        .upload_with("pipe", "a file now", &overwrite, &[])
        .await
        .data();
    assert!(at("pipe").metadata().unwrap().is_file());
    server.delete("d", true).await.data();
    server.assert_disk_agrees().await;
}

/// Makes directories below each other, though their path is too long for one call.
fn chain(root: &Path, name: &str, levels: usize) -> OwnedFd {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut at = rustix::fs::open(root, flags, Mode::empty()).unwrap();
    for _ in 0..levels {
        rustix::fs::mkdirat(&at, name, Mode::RWXU).unwrap();
        at = rustix::fs::openat(&at, name, flags, Mode::empty()).unwrap();
    }
    at
}

#[tokio::test]
async fn a_path_past_4096_bytes_is_catalogued_moved_read_and_deleted() {
    let server = Server::start().await;
    let name = "n".repeat(250);
    let last = chain(&server.root, &name, 20);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&last, "f", flags, Mode::RUSR | Mode::WUSR).unwrap();
    rustix::io::write(&file, b"deep down").unwrap();
    server.scan().await;
    let listed = server.get_in_mount("/v1/nodes", &[("kinds", "file")]).await;
    let node = &listed.data()["nodes"][0];
    let path = node["path"].as_str().unwrap().to_owned();
    assert_eq!(path.len(), 20 * 251 + 1);
    // It is reached by its id; a path that long is no argument of a command.
    let content = format!("/v1/files/{}/content", node["id"]);
    assert_eq!(server.get(&content).await.text, "deep down");
    assert_eq!(server.by_path(&path).await.problem(), (400, "invalid_path"));
    assert_eq!(
        server.delete(&path, false).await.problem(),
        (400, "invalid_path")
    );
    // So it goes by what is above it.
    server.rename(&name, "short").await.data();
    server.assert_disk_agrees().await;
    let copy = json!({ "path": "short", "targetPath": "copy" });
    let copied = server.json(Method::POST, "/v1/nodes/copy", copy).await;
    assert_eq!(copied.data()["result"]["nodesChanged"], 21);
    server.assert_disk_agrees().await;
    for top in ["short", "copy"] {
        assert_eq!(
            server.delete(top, true).await.data()["result"]["deleted"],
            21
        );
    }
    assert!(server.names().is_empty());
}

#[tokio::test]
async fn a_tree_a_thousand_deep_is_moved_copied_and_deleted() {
    let server = Server::start().await;
    chain(&server.root, "d", 1_000);
    server.scan().await;
    server.rename("d", "moved").await.data();
    let copy = json!({ "path": "moved", "targetPath": "copy" });
    let copied = server.json(Method::POST, "/v1/nodes/copy", copy).await;
    assert_eq!(copied.data()["result"]["nodesChanged"], 1_000);
    server.assert_disk_agrees().await;
    let deepest = server
        .get_in_mount("/v1/nodes", &[("path", "copy"), ("limit", "1000")])
        .await;
    assert_eq!(deepest.data()["pagination"]["total"], 999);
    assert_eq!(
        server.delete("copy", true).await.data()["result"]["deleted"],
        1_000
    );
    server.assert_disk_agrees().await;
}

#[tokio::test]
async fn names_of_any_bytes_are_found_by_their_spelling() {
    let server = Server::start().await;
    let names: [&[u8]; 6] = [
        b"caf\xE9",
        b"\xFF\xFE",
        b"line\nbreak",
        b"tab\tand\x1b[31m",
        "U+EF80 itself: \u{EF80}".as_bytes(),
        &[b'n'; 255],
    ];
    for name in names {
        std::fs::write(server.root.join(std::ffi::OsStr::from_bytes(name)), name).unwrap();
    }
    server.scan().await;
    let listed = server.get_in_mount("/v1/nodes", &[]).await;
    let nodes = listed.data()["nodes"].as_array().unwrap().clone();
    assert_eq!(nodes.len(), names.len());
    let mut seen = BTreeSet::new();
    for node in &nodes {
        let path = node["path"].as_str().unwrap();
        assert_eq!(server.by_path(path).await.data()["id"], node["id"]);
        let content = format!("/v1/files/{}/content", node["id"]);
        let content = server.request(Method::GET, &content).send().await.unwrap();
        seen.insert(content.bytes().await.unwrap().to_vec());
        let copy = json!({ "path": path, "targetPath": format!("copies/{path}") });
        server
            .json(Method::POST, "/v1/nodes/copy", copy)
            .await
            .data();
        server.delete(path, false).await.data();
    }
    assert_eq!(seen, names.iter().map(|name| name.to_vec()).collect());
    for name in names {
        let copy = server
            .root
            .join("copies")
            .join(std::ffi::OsStr::from_bytes(name));
        assert_eq!(std::fs::read(copy).unwrap(), name);
    }
    server.assert_disk_agrees().await;
}

#[tokio::test]
async fn names_that_differ_in_case_or_in_composition_are_different_names() {
    let server = Server::start().await;
    let names = ["Readme", "README", "readme", "caf\u{e9}", "cafe\u{301}"];
    let mut ids = BTreeSet::new();
    for name in names {
        ids.insert(server.upload(name, name).await.node_id());
    }
    assert_eq!(ids.len(), names.len());
    assert_eq!(
        server.rename("readme", "README").await.problem(),
        (409, "already_exists")
    );
    server.rename("readme", "ReadMe").await.data();
    server.assert_disk_agrees().await;
}

#[tokio::test]
async fn a_directory_with_many_entries_is_scanned_listed_and_deleted() {
    let server = Server::start().await;
    std::fs::create_dir(server.root.join("d")).unwrap();
    let directory = std::fs::File::open(server.root.join("d")).unwrap();
    for number in 0..20_000 {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC;
        let name = format!("entry-{number:06}");
        rustix::fs::openat(&directory, name, flags, Mode::RUSR).unwrap();
    }
    let report = server.scan().await;
    assert_eq!((report.files, report.changes.created), (20_000, 20_001));
    let children = [
        ("path", "d"),
        ("depth", "1"),
        ("limit", "1000"),
        ("offset", "19000"),
    ];
    let page = server.get_in_mount("/v1/nodes", &children).await;
    assert_eq!(page.data()["pagination"]["total"], 20_000);
    assert_eq!(page.data()["nodes"].as_array().unwrap().len(), 1_000);
    assert_eq!(page.data()["pagination"]["nextOffset"], json!(null));
    let all = server.by_path("d").await;
    assert_eq!(all.data()["rollup"]["childCount"], 20_000);
    rustix::fs::unlinkat(&directory, "entry-000007", AtFlags::empty()).unwrap();
    assert_eq!(server.scan().await.changes.missing, 1);
    let deleted = server.delete("d", true).await;
    assert_eq!(deleted.data()["result"]["deleted"], 20_001);
    assert!(server.names().is_empty());
}
