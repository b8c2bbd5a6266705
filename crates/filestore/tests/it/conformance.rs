//! What commands do, wherever the bytes lie: one suite, run over a directory and over a bucket.

use crate::support::{Ground, Server, told};
use reqwest::{Method, StatusCode};
use serde_json::json;

macro_rules! on_every_ground {
    ($($name:ident)+) => {
        mod local {
            use super::Ground;
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() { super::$name(&Ground::Local).await; })+
        }
        mod s3 {
            use super::Ground;
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() { super::$name(&Ground::s3()).await; })+
        }
    };
}

on_every_ground! {
    directories_are_made_and_stay
    an_upload_is_whole_and_replaces_only_when_told
    contents_come_whole_in_ranges_and_on_conditions
    a_copy_is_a_new_node_with_the_same_contents
    a_move_keeps_the_nodes_and_their_metadata
    a_move_replaces_a_file_only_when_told
    a_deletion_takes_what_it_is_told_to
    a_key_has_one_effect
    files_and_directories_are_told_apart
    rollups_follow_every_command
    a_scan_finds_what_others_did
}

async fn directories_are_made_and_stay(ground: &Ground) {
    let server = ground.start().await;
    let before = server.head();
    let answer = server.mkdir("a/b").await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(
        server.told(before),
        [
            told("node.created", "a", 0),
            told("node.created", "a/b", 0),
            told("command.completed", "a/b", 0),
        ]
    );
    assert_eq!(server.mkdir("a").await.problem(), (409, "already_exists"));
    // A directory outlives its last child, whichever way that goes.
    server.upload("a/b/f", "x").await.data();
    server.rename("a/b/f", "g").await.data();
    server.delete("a/b", false).await.data();
    server.upload("a/f", "x").await.data();
    server.delete("a/f", false).await.data();
    server.assert_disk_agrees().await;
    assert_eq!(server.by_path("a").await.data()["state"], "active");
    server.delete("a", false).await.data();
    server.assert_disk_agrees().await;
}

async fn an_upload_is_whole_and_replaces_only_when_told(ground: &Ground) {
    let server = ground.start().await;
    let sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let headers = [("x-filestore-checksum", sha256)];
    let first = server.upload_with("d/f", "hello", &[], &headers).await;
    assert_eq!(first.status, StatusCode::CREATED);
    let node = &first.data()["node"];
    let hash = format!("blake3:{}", blake3::hash(b"hello").to_hex());
    assert_eq!(node["contentHash"], hash);
    assert_eq!(node["checksum"], format!("sha256:{sha256}"));
    assert_eq!(
        (&node["sizeBytes"], &node["version"]),
        (&json!(5), &json!(1))
    );
    assert_eq!(ground.content(&server, "d/f").as_deref(), Some("hello"));
    assert_eq!(server.content("d/f").await, "hello");

    let wrong = server.upload_with("d/g", "hullo", &[], &headers).await;
    assert_eq!(wrong.problem(), (422, "checksum_mismatch"));
    assert_eq!(ground.content(&server, "d/g"), None);
    let refused = server.upload("d/f", "again").await;
    assert_eq!(refused.problem(), (409, "already_exists"));
    assert_eq!(ground.content(&server, "d/f").as_deref(), Some("hello"));

    let before = server.head();
    let overwrite = [("overwrite", "true")];
    let second = server
        .upload_with("d/f", "hello, you", &overwrite, &[])
        .await;
    let node = &second.data()["node"];
    assert_eq!(node["id"], first.data()["node"]["id"]);
    assert_eq!(
        (&node["sizeBytes"], &node["version"]),
        (&json!(10), &json!(2))
    );
    assert_eq!(node["checksum"], json!(null));
    let mut entries = server.told(before);
    // The download above is told when it is told.
    entries.retain(|(event_type, ..)| event_type != "node.downloaded");
    assert_eq!(
        entries,
        [
            told("node.uploaded", "d/f", 5),
            told("command.completed", "d/f", 0)
        ]
    );
    // Somebody else's file is nobody's to replace by default.
    ground.put(&server, "theirs", "theirs");
    assert_eq!(
        server.upload("theirs", "mine").await.problem(),
        (409, "already_exists")
    );
    assert_eq!(ground.content(&server, "theirs").as_deref(), Some("theirs"));
    server
        .upload_with("theirs", "mine", &overwrite, &[])
        .await
        .data();
    assert!(server.upload("empty", "").await.status.is_success());
    assert_eq!(server.content("empty").await, "");
    server.assert_disk_agrees().await;
    assert!(ground.leftovers(&server).is_empty());
}

async fn contents_come_whole_in_ranges_and_on_conditions(ground: &Ground) {
    let server = ground.start().await;
    let id = server.upload("f", "0123456789").await.node_id();
    let path = format!("/v1/files/{id}/content");
    let fetch = async |headers: &[(&str, &str)]| {
        let mut request = server.request(Method::GET, &path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        server.send(request).await
    };
    let whole = fetch(&[]).await;
    assert_eq!((whole.status, &*whole.text), (StatusCode::OK, "0123456789"));
    let etag = whole.header("etag").to_owned();
    assert_eq!(whole.header("content-length"), "10");
    assert_eq!(whole.header("accept-ranges"), "bytes");
    assert!(whole.header("last-modified").ends_with(" GMT"));
    assert_eq!(
        etag,
        format!("\"{}\"", whole.header("x-filestore-content-hash"))
    );
    for (range, content_range, text) in [
        ("bytes=0-3", "bytes 0-3/10", "0123"),
        ("bytes=7-", "bytes 7-9/10", "789"),
        ("bytes=-2", "bytes 8-9/10", "89"),
        ("bytes=5-500", "bytes 5-9/10", "56789"),
    ] {
        let part = fetch(&[("range", range), ("if-range", &etag)]).await;
        assert_eq!(
            (part.status, &*part.text),
            (StatusCode::PARTIAL_CONTENT, text)
        );
        assert_eq!(part.header("content-range"), content_range);
        assert_eq!(part.header("content-length"), text.len().to_string());
    }
    let outside = fetch(&[("range", "bytes=10-")]).await;
    assert_eq!(outside.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(outside.header("content-range"), "bytes */10");
    let known = fetch(&[("if-none-match", &etag)]).await;
    assert_eq!(known.status, StatusCode::NOT_MODIFIED);
    let unmet = fetch(&[("if-match", "\"other\"")]).await;
    assert_eq!(unmet.status, StatusCode::PRECONDITION_FAILED);

    // What others wrote comes as it is, without the digests of what was there before.
    ground.put(&server, "f", "abc");
    let changed = fetch(&[]).await;
    assert_eq!((changed.status, &*changed.text), (StatusCode::OK, "abc"));
    assert_ne!(changed.header("etag"), etag);
    assert!(!changed.headers.contains_key("x-filestore-content-hash"));
    ground.remove(&server, "f");
    assert_eq!(fetch(&[]).await.problem(), (409, "conflict"));
}

async fn a_copy_is_a_new_node_with_the_same_contents(ground: &Ground) {
    let server = ground.start().await;
    let fields = [("metadata", r#"{"a":1}"#)];
    server
        .upload_with("d/e/f", "deep", &fields, &[])
        .await
        .data();
    server.upload("d/g", "shallow").await.data();
    server.mkdir("d/empty").await.data();
    let copy = async |path: &str, target: &str| {
        let body = json!({ "path": path, "targetPath": target });
        server.json(Method::POST, "/v1/nodes/copy", body).await
    };
    let one = copy("d/e/f", "copies/f").await;
    assert_eq!(one.status, StatusCode::CREATED);
    let before = server.head();
    let tree = copy("d", "copies/d").await;
    assert_eq!(tree.data()["result"]["nodesChanged"], 5);
    let mut entries = server.told(before);
    entries.sort();
    assert_eq!(
        entries,
        [
            told("command.completed", "copies/d", 0),
            told("node.copied", "copies/d", 0),
            told("node.copied", "copies/d/e", 0),
            told("node.copied", "copies/d/e/f", 4),
            told("node.copied", "copies/d/empty", 0),
            told("node.copied", "copies/d/g", 7),
        ]
    );
    let (source, copied) = (
        server.by_path("d/e/f").await,
        server.by_path("copies/d/e/f").await,
    );
    assert_ne!(source.node_id(), copied.node_id());
    assert_eq!(copied.data()["metadata"], json!({ "a": 1 }));
    assert_eq!(copied.data()["contentHash"], source.data()["contentHash"]);
    assert_eq!(server.content("copies/d/e/f").await, "deep");
    assert_eq!(server.content("copies/f").await, "deep");
    assert_eq!(server.content("d/g").await, "shallow");
    assert_eq!(
        copy("d", "copies/d").await.problem(),
        (409, "already_exists")
    );
    assert_eq!(copy("d", "d/e/d").await.problem().0, 409);
    assert_eq!(copy("nothing", "x").await.problem().0, 404);
    server.assert_disk_agrees().await;
    assert!(ground.leftovers(&server).is_empty());
}

async fn a_move_keeps_the_nodes_and_their_metadata(ground: &Ground) {
    let server = ground.start().await;
    let fields = [("metadata", r#"{"a":1}"#)];
    server
        .upload_with("d/e/f", "deep", &fields, &[])
        .await
        .data();
    server.upload("d/g", "shallow").await.data();
    server.mkdir("d/empty").await.data();
    let mut ids = Vec::new();
    for path in ["d", "d/e", "d/e/f", "d/g", "d/empty"] {
        ids.push(server.by_path(path).await.node_id());
    }
    let before = server.head();
    server.rename("d", "new/place").await.data();
    let mut entries = server.told(before);
    entries.sort();
    assert_eq!(
        entries,
        [
            told("command.completed", "new/place", 0),
            told("node.created", "new", 0),
            told("node.moved", "new/place", 0),
            told("node.moved", "new/place/e", 0),
            told("node.moved", "new/place/e/f", 0),
            told("node.moved", "new/place/empty", 0),
            told("node.moved", "new/place/g", 0),
        ]
    );
    let mut moved = Vec::new();
    for path in ["", "/e", "/e/f", "/g", "/empty"] {
        moved.push(server.by_path(&format!("new/place{path}")).await.node_id());
    }
    assert_eq!(moved, ids);
    let file = server.by_path("new/place/e/f").await;
    assert_eq!(file.data()["metadata"], json!({ "a": 1 }));
    assert!(file.data()["contentHash"].is_string());
    assert_eq!(server.content("new/place/e/f").await, "deep");
    assert_eq!(ground.content(&server, "d/g"), None);
    assert_eq!(server.by_path("d").await.status, 404);
    assert_eq!(server.rename("new", "new/place/x").await.problem().0, 409);
    server.assert_disk_agrees().await;
    assert!(ground.leftovers(&server).is_empty());
}

async fn a_move_replaces_a_file_only_when_told(ground: &Ground) {
    let server = ground.start().await;
    let id = server.upload("a", "mine").await.node_id();
    server.upload("b", "theirs").await.data();
    assert_eq!(
        server.rename("a", "b").await.problem(),
        (409, "already_exists")
    );
    ground.put(&server, "c", "unknown");
    assert_eq!(
        server.rename("a", "c").await.problem(),
        (409, "already_exists")
    );
    assert_eq!(ground.content(&server, "c").as_deref(), Some("unknown"));
    let body = json!({ "path": "a", "targetPath": "b", "overwrite": true });
    let before = server.head();
    server
        .json(Method::POST, "/v1/nodes/move", body)
        .await
        .data();
    assert_eq!(
        server.told(before),
        [
            told("node.deleted", "b", -6),
            told("node.moved", "b", 0),
            told("command.completed", "b", 0),
        ]
    );
    assert_eq!(server.by_path("b").await.node_id(), id);
    assert_eq!(server.content("b").await, "mine");
    assert_eq!(ground.content(&server, "a"), None);
}

async fn a_deletion_takes_what_it_is_told_to(ground: &Ground) {
    let server = ground.start().await;
    server.upload("d/e/f", "deep").await.data();
    server.upload("d/g", "shallow").await.data();
    server.upload("dd", "next to it").await.data();
    assert_eq!(
        server.delete("d", false).await.problem(),
        (409, "not_empty")
    );
    // What nobody has catalogued yet is in the directory all the same.
    server.mkdir("h").await.data();
    ground.put(&server, "h/unknown", "x");
    assert_eq!(
        server.delete("h", false).await.problem(),
        (409, "not_empty")
    );
    let before = server.head();
    server.delete("d", true).await.data();
    assert_eq!(server.told(before).len(), 5);
    assert_eq!(ground.content(&server, "d/e/f"), None);
    assert_eq!(ground.content(&server, "dd").as_deref(), Some("next to it"));
    assert_eq!(server.delete("d", true).await.status, 404);
    server.delete("h", true).await.data();
    server.assert_disk_agrees().await;
    assert!(ground.leftovers(&server).is_empty());
}

async fn a_key_has_one_effect(ground: &Ground) {
    let server = ground.start().await;
    let key = [("Idempotency-Key", "k")];
    let first = server.upload_with("f", "once", &[], &key).await;
    let again = server.upload_with("f", "once", &[], &key).await;
    assert_eq!(
        (first.status, again.status),
        (StatusCode::CREATED, StatusCode::OK)
    );
    assert_eq!(again.data()["idempotent"], true);
    assert_eq!(again.data()["node"]["version"], 1);
    let other = server.upload_with("f", "twice", &[], &key).await;
    assert_eq!(other.problem(), (409, "idempotency_conflict"));
    let body = json!({ "path": "f", "targetPath": "g", "idempotencyKey": "m" });
    let moved = server
        .json(Method::POST, "/v1/nodes/move", body.clone())
        .await;
    let again = server.json(Method::POST, "/v1/nodes/move", body).await;
    assert_eq!(
        moved.data()["journalEntryId"],
        again.data()["journalEntryId"]
    );
    assert_eq!(server.content("g").await, "once");
    server.assert_disk_agrees().await;
}

async fn files_and_directories_are_told_apart(ground: &Ground) {
    let server = ground.start().await;
    server.upload("f", "x").await.data();
    server.upload("d/f", "x").await.data();
    assert_eq!(
        server.upload("f/below", "y").await.problem(),
        (409, "wrong_kind")
    );
    assert_eq!(server.mkdir("f/below").await.problem(), (409, "wrong_kind"));
    let overwrite = [("overwrite", "true")];
    let over = server.upload_with("d", "y", &overwrite, &[]).await;
    assert_eq!(over.problem(), (409, "wrong_kind"));
    assert_eq!(
        server.rename("f", "d").await.problem(),
        (409, "already_exists")
    );
    let id = server.by_path("d").await.node_id();
    let content = server.get(&format!("/v1/files/{id}/content")).await;
    assert_eq!(content.problem(), (409, "wrong_kind"));
    server.assert_disk_agrees().await;
}

async fn rollup(server: &Server, path: &str) -> (i64, i64, i64) {
    let node = server.by_path(path).await;
    let rollup = &node.data()["rollup"];
    let number = |name: &str| rollup[name].as_i64().unwrap();
    (
        number("sizeBytes"),
        number("fileCount"),
        number("directoryCount"),
    )
}

async fn rollups_follow_every_command(ground: &Ground) {
    let server = ground.start().await;
    server.upload("d/e/f", "1234").await.data();
    server.upload("d/g", "123").await.data();
    assert_eq!(rollup(&server, "").await, (7, 2, 2));
    server.rename("d/e", "h").await.data();
    assert_eq!(rollup(&server, "d").await, (3, 1, 0));
    assert_eq!(rollup(&server, "h").await, (4, 1, 0));
    let body = json!({ "path": "h", "targetPath": "d/h" });
    server
        .json(Method::POST, "/v1/nodes/copy", body)
        .await
        .data();
    assert_eq!(rollup(&server, "d").await, (7, 2, 1));
    server.delete("d", true).await.data();
    assert_eq!(rollup(&server, "").await, (4, 1, 1));
}

async fn a_scan_finds_what_others_did(ground: &Ground) {
    let server = ground.start().await;
    server.upload("d/changes", "before").await.data();
    server.upload("d/goes", "soon").await.data();
    let moves = server
        .upload("d/moves", "to somewhere else")
        .await
        .node_id();
    ground.put(&server, "d/changes", "after all");
    ground.remove(&server, "d/goes");
    ground.remove(&server, "d/moves");
    ground.put(&server, "new/one", "1");
    ground.put(&server, "new/two", "2");
    let report = server.scan().await;
    assert_eq!(report.problem_count, 0, "{report:?}");
    let changed = server.by_path("d/changes").await;
    assert_eq!(changed.data()["sizeBytes"], 9);
    assert_eq!(changed.data()["contentHash"], json!(null));
    assert_eq!(server.content("new/two").await, "2");
    let gone = server.get(&format!("/v1/nodes/{moves}")).await;
    assert_eq!(gone.data()["state"], "missing");
    // What is at its path again is what was there.
    ground.put(&server, "d/moves", "to somewhere else");
    server.scan().await;
    let back = server.by_path("d/moves").await;
    assert_eq!(
        (back.node_id(), &back.data()["state"]),
        (moves, &json!("active"))
    );
    assert_eq!(rollup(&server, "").await, (28, 4, 2));
    server.assert_disk_agrees().await;
}
