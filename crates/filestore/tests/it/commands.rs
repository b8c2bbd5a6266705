//! What each command does to disk, nodes and journal.

use crate::support::{Server, told};
use journal::{Event, JournalId};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;

#[tokio::test]
async fn a_directory_is_made_with_those_above_it() {
    let server = Server::start().await;
    let before = server.head();
    let answer = server.mkdir("/a/b/c/").await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert!(server.root.join("a/b/c").is_dir());
    let data = answer.data();
    assert_eq!(data["idempotent"], false);
    assert_eq!(data["result"]["created"], 3);
    let node = &data["node"];
    assert_eq!(node["path"], "a/b/c");
    assert_eq!(
        (&node["name"], &node["depth"], &node["kind"]),
        (&json!("c"), &json!(3), &json!("directory"))
    );
    assert_eq!(
        (&node["state"], &node["version"]),
        (&json!("active"), &json!(1))
    );
    assert_eq!(
        server.told(before),
        [
            told("node.created", "a", 0),
            told("node.created", "a/b", 0),
            told("node.created", "a/b/c", 0),
            told("command.completed", "a/b/c", 0),
        ]
    );
    let head = server.head();
    assert_eq!(data["journalEntryId"], head.get());
    assert_eq!(answer.header("tidemark-journal-id"), head.to_string());
    server.assert_disk_agrees().await;

    let again = server.mkdir("a/b").await;
    assert_eq!(again.problem(), (409, "already_exists"));
    assert_eq!(server.head(), head, "a refused command tells nothing");
}

#[tokio::test]
async fn all_entries_of_a_command_share_its_id_and_its_cause() {
    let server = Server::start().await;
    let before = server.head();
    let request = server
        .request(Method::POST, "/v1/directories")
        .header("X-Filestore-Principal", "anna")
        .header("Idempotency-Key", "k1")
        .json(&json!({ "backendMountId": server.mount, "path": "x/y", "metadata": { "a": 1 } }));
    server.send(request).await.data();
    let entries = server.entries(before);
    assert_eq!(entries.len(), 3);
    let mut ids = Vec::new();
    for entry in &entries {
        match entry.event().unwrap() {
            Event::Node(event) => {
                assert_eq!(event.journal_id, entry.id);
                assert_eq!(event.principal.as_deref(), Some("anna"));
                assert_eq!(event.idempotency_key.as_deref(), Some("k1"));
                assert_eq!(&*event.command, "createDirectory");
                assert_eq!(event.previous_size_bytes, None);
                ids.push(event.command_id.unwrap().to_string());
            }
            Event::Command(event) => {
                assert_eq!(event.nodes_changed, 2);
                assert_eq!(event.principal.as_deref(), Some("anna"));
                ids.push(event.command_id.unwrap().to_string());
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(
        server.by_path("x/y").await.data()["metadata"],
        json!({ "a": 1 })
    );
}

#[tokio::test]
async fn a_move_takes_all_descendants_along_and_keeps_their_ids() {
    let server = Server::start().await;
    server.upload("d/one", "12345").await.data();
    server.upload("d/e/two", "678").await.data();
    let ids = [
        server.by_path("d").await.node_id(),
        server.by_path("d/one").await.node_id(),
        server.by_path("d/e/two").await.node_id(),
    ];
    let before = server.head();
    let answer = server.rename("d", "new/place").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.data()["node"]["path"], "new/place");
    assert!(server.root.join("new/place/e/two").is_file());
    assert!(!server.root.join("d").try_exists().unwrap());
    let mut entries = server.told(before);
    entries.sort();
    assert_eq!(
        entries,
        [
            told("command.completed", "new/place", 0),
            told("node.created", "new", 0),
            told("node.moved", "new/place", 0),
            told("node.moved", "new/place/e", 0),
            told("node.moved", "new/place/e/two", 0),
            told("node.moved", "new/place/one", 0),
        ]
    );
    for entry in server.entries(before) {
        if let Event::Node(event) = entry.event().unwrap()
            && entry.event_type.as_str() == "filestore.node.moved"
        {
            let previous = event.previous_path.unwrap();
            assert_eq!(event.path.replace("new/place", "d"), *previous);
        }
    }
    let moved = [
        server.by_path("new/place").await.node_id(),
        server.by_path("new/place/one").await.node_id(),
        server.by_path("new/place/e/two").await.node_id(),
    ];
    assert_eq!(moved, ids);
    let rollup = server.by_path("new").await.data()["rollup"].clone();
    assert_eq!(rollup["sizeBytes"], 8);
    assert_eq!(
        (&rollup["fileCount"], &rollup["directoryCount"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(server.by_path("d").await.problem(), (404, "not_found"));
    server.assert_disk_agrees().await;
}

#[tokio::test]
async fn a_move_replaces_a_file_only_if_it_is_told_to() {
    let server = Server::start().await;
    let a = server.upload("a", "new").await.node_id();
    let b = server.upload("b", "older").await.node_id();
    server.mkdir("dir").await.data();
    assert_eq!(
        server.rename("a", "b").await.problem(),
        (409, "already_exists")
    );
    assert_eq!(
        server.rename("a", "dir").await.problem(),
        (409, "already_exists")
    );
    assert_eq!(
        server.rename("dir", "dir/below").await.problem(),
        (409, "conflict")
    );
    assert_eq!(
        server.rename("nowhere", "x").await.problem(),
        (404, "not_found")
    );
    let before = server.head();
    let body = json!({ "path": "a", "targetPath": "b", "overwrite": true });
    let answer = server.json(Method::POST, "/v1/nodes/move", body).await;
    assert_eq!(answer.node_id(), a);
    assert_eq!(
        server.told(before),
        [
            told("node.deleted", "b", -5),
            told("node.moved", "b", 0),
            told("command.completed", "b", 0)
        ]
    );
    assert_eq!(
        std::fs::read_to_string(server.root.join("b")).unwrap(),
        "new"
    );
    let gone = server.get(&format!("/v1/nodes/{b}")).await;
    assert_eq!(gone.data()["state"], "deleted");
    server.assert_disk_agrees().await;
}

#[tokio::test]
async fn what_the_disk_has_at_the_target_is_not_replaced_unseen() {
    let server = Server::start().await;
    server.upload("a", "1").await.data();
    std::fs::write(server.root.join("uncatalogued"), "precious").unwrap();
    let answer = server.rename("a", "uncatalogued").await;
    assert_eq!(answer.problem(), (409, "already_exists"));
    assert!(
        answer.detail().contains("scan the mount"),
        "{}",
        answer.detail()
    );
    assert_eq!(
        server.upload("uncatalogued", "2").await.problem(),
        (409, "already_exists")
    );
    let content = std::fs::read_to_string(server.root.join("uncatalogued")).unwrap();
    assert_eq!(content, "precious");
    assert_eq!(
        server.names(),
        ["a", "uncatalogued"],
        "nothing is left behind"
    );
}

#[tokio::test]
async fn a_directory_with_something_in_it_is_deleted_only_recursively() {
    let server = Server::start().await;
    server.upload("d/e/f", "1234").await.data();
    server.upload("keep", "1").await.data();
    let head = server.head();
    assert_eq!(
        server.delete("d", false).await.problem(),
        (409, "not_empty")
    );
    assert_eq!(server.head(), head);
    let answer = server.delete("d", true).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.data()["node"]["state"], "deleted");
    assert_eq!(answer.data()["result"]["deleted"], 3);
    assert_eq!(
        server.told(head),
        [
            told("node.deleted", "d", 0),
            told("node.deleted", "d/e", 0),
            told("node.deleted", "d/e/f", -4),
            told("command.completed", "d", 0),
        ]
    );
    assert_eq!(server.names(), ["keep"]);
    assert_eq!(server.delete("d", true).await.problem(), (404, "not_found"));
    server.assert_disk_agrees().await;
}

#[tokio::test]
async fn files_that_nobody_catalogued_keep_their_directory() {
    let server = Server::start().await;
    server.mkdir("d").await.data();
    std::fs::write(server.root.join("d/unseen"), "x").unwrap();
    assert_eq!(
        server.delete("d", false).await.problem(),
        (409, "not_empty")
    );
    assert!(server.root.join("d/unseen").try_exists().unwrap());
    server.delete("d", true).await.data();
    assert!(!server.root.join("d").try_exists().unwrap());
}

#[tokio::test]
async fn an_empty_directory_and_a_file_are_deleted() {
    let server = Server::start().await;
    let file = server.upload("f", "123").await.node_id();
    server.mkdir("d").await.data();
    server.delete("f", false).await.data();
    server.delete("d", false).await.data();
    assert!(server.names().is_empty());
    // The name is free, and a new file is another node.
    assert_ne!(server.upload("f", "1").await.node_id(), file);
    server.assert_disk_agrees().await;
}

#[tokio::test]
async fn metadata_is_set_and_unset_and_told() {
    let server = Server::start().await;
    let id = server
        .upload_with("f", "1", &[("metadata", r#"{"a":1,"b":"x"}"#)], &[])
        .await
        .node_id();
    let before = server.head();
    let path = format!("/v1/nodes/{id}/metadata");
    let body = json!({ "set": { "c": [1, 2] }, "unset": ["a"] });
    let answer = server.json(Method::PATCH, &path, body.clone()).await;
    assert_eq!(
        answer.data()["node"]["metadata"],
        json!({ "b": "x", "c": [1, 2] })
    );
    assert_eq!(answer.data()["node"]["version"], 2);
    assert_eq!(
        server.told(before),
        [
            told("node.updated", "f", 0),
            told("command.completed", "f", 0)
        ]
    );
    // What changes nothing is a command, and no change.
    let before = server.head();
    let answer = server.json(Method::PATCH, &path, body).await;
    assert_eq!(answer.data()["node"]["version"], 2);
    assert_eq!(server.told(before), [told("command.completed", "f", 0)]);

    let nothing = server.json(Method::PATCH, &path, json!({})).await;
    assert_eq!(nothing.problem(), (400, "invalid_request"));
    let elsewhere = json!({ "backendMountId": 99, "unset": ["b"] });
    assert_eq!(
        server.json(Method::PATCH, &path, elsewhere).await.problem(),
        (409, "conflict")
    );
    let unknown = server
        .json(
            Method::PATCH,
            "/v1/nodes/999/metadata",
            json!({ "unset": ["b"] }),
        )
        .await;
    assert_eq!(unknown.problem(), (404, "not_found"));
}

#[tokio::test]
async fn an_expected_version_that_has_passed_is_refused() {
    let server = Server::start().await;
    let id = server.upload("f", "1").await.node_id();
    let path = format!("/v1/nodes/{id}/metadata");
    let patch = |version: i64| json!({ "set": { "n": version }, "expectedVersion": version });
    server.json(Method::PATCH, &path, patch(1)).await.data();
    let head = server.head();
    let passed = server.json(Method::PATCH, &path, patch(1)).await;
    assert_eq!(passed.problem(), (409, "version_conflict"));
    assert_eq!(
        passed.body["error"]["details"],
        json!({ "expectedVersion": 1, "version": 2 })
    );
    let delete = json!({ "path": "f", "expectedVersion": 1 });
    assert_eq!(
        server
            .json(Method::DELETE, "/v1/nodes", delete)
            .await
            .problem()
            .1,
        "version_conflict"
    );
    let relocate = json!({ "path": "f", "targetPath": "g", "expectedVersion": 1 });
    let relocate = server.json(Method::POST, "/v1/nodes/move", relocate).await;
    assert_eq!(relocate.problem().1, "version_conflict");
    let fields = [("overwrite", "true"), ("expectedVersion", "1")];
    assert_eq!(
        server.upload_with("f", "2", &fields, &[]).await.problem().1,
        "version_conflict"
    );
    assert_eq!(server.head(), head);
    assert_eq!(server.names(), ["f"]);
    let fields = [("overwrite", "true"), ("expectedVersion", "2")];
    assert_eq!(
        server.upload_with("f", "2", &fields, &[]).await.data()["node"]["version"],
        3
    );
}

#[tokio::test]
async fn what_the_disk_no_longer_has_is_told_as_drift() {
    let server = Server::start().await;
    server.upload("f", "1").await.data();
    std::fs::remove_file(server.root.join("f")).unwrap();
    let answer = server.rename("f", "g").await;
    assert_eq!(answer.problem(), (409, "conflict"));
    assert!(answer.detail().contains("scan the mount"));
    // What is to be deleted and gone already is deleted.
    server.delete("f", false).await.data();
    server.assert_disk_agrees().await;
}

#[tokio::test]
async fn a_missing_node_comes_back_as_itself() {
    let server = Server::start().await;
    let id = server
        .upload_with("f", "1", &[("metadata", r#"{"kept":true}"#)], &[])
        .await
        .node_id();
    std::fs::remove_file(server.root.join("f")).unwrap();
    server.scan().await;
    assert_eq!(server.by_path("f").await.data()["state"], "missing");
    let before = server.head();
    let answer = server.upload("f", "123").await;
    assert_eq!(answer.node_id(), id);
    assert_eq!(answer.data()["node"]["metadata"], json!({ "kept": true }));
    assert_eq!(server.told(before)[0], told("node.uploaded", "f", 3));
    server.assert_disk_agrees().await;
}

#[tokio::test]
async fn bad_requests_name_the_field() {
    let server = Server::start().await;
    let head = server.head();
    let unknown = json!({ "backendMountId": 99, "path": "a" });
    let unknown = server.json(Method::POST, "/v1/directories", unknown).await;
    assert_eq!(unknown.problem(), (404, "not_found"));
    assert_eq!(unknown.body["errors"][0]["pointer"], "/backendMountId");
    assert!(unknown.detail().contains("mount 99"));

    let request = server.request(Method::POST, "/v1/directories");
    let malformed = server
        .send(
            request
                .header("content-type", "application/json")
                .body("{\"path\":"),
        )
        .await;
    assert_eq!(malformed.problem(), (400, "malformed_json"));

    let wrong = json!({ "backendMountId": "one", "path": "a" });
    let wrong = server.json(Method::POST, "/v1/directories", wrong).await;
    assert_eq!(wrong.problem(), (400, "invalid_request"));
    assert_eq!(wrong.body["errors"][0]["pointer"], "/backendMountId");

    let up = server.mkdir("a/../b").await;
    assert_eq!(up.problem(), (400, "invalid_path"));
    assert_eq!(up.body["errors"][0]["pointer"], "/path");
    assert_eq!(up.body["error"]["message"], up.body["detail"]);

    let none = server.get("/v1/nodes/12345").await;
    assert_eq!(none.problem(), (404, "not_found"));
    assert_eq!(server.head(), head);
    assert!(server.names().is_empty());
}

#[tokio::test]
async fn read_only_and_inactive_mounts_refuse_changes() {
    let server = Server::start().await;
    let id = server.upload("f", "1").await.node_id();
    let mount = format!("/v1/backend-mounts/{}", server.mount);
    server
        .json(Method::PATCH, &mount, json!({ "accessMode": "ro" }))
        .await
        .data();
    let head = server.head();
    assert_eq!(server.mkdir("d").await.problem(), (403, "read_only"));
    assert_eq!(server.upload("g", "1").await.problem(), (403, "read_only"));
    assert_eq!(
        server.delete("f", false).await.problem(),
        (403, "read_only")
    );
    assert_eq!(server.rename("f", "g").await.problem(), (403, "read_only"));
    assert_eq!(server.head(), head);
    // Metadata is the catalogue's own, and reading is fine.
    let path = format!("/v1/nodes/{id}/metadata");
    server
        .json(Method::PATCH, &path, json!({ "set": { "a": 1 } }))
        .await
        .data();
    assert_eq!(
        server.get(&format!("/v1/files/{id}/content")).await.body,
        json!(1)
    );

    server
        .json(
            Method::PATCH,
            &mount,
            json!({ "accessMode": "rw", "state": "inactive" }),
        )
        .await
        .data();
    assert_eq!(server.mkdir("d").await.problem(), (409, "conflict"));
    assert_eq!(server.names(), ["f"]);
}

#[tokio::test]
async fn the_last_entry_of_every_command_is_its_completion() {
    let server = Server::start().await;
    server.upload("a/f", "1").await.data();
    server.rename("a", "b").await.data();
    server.delete("b", true).await.data();
    let mut open: Option<String> = None;
    for entry in server.entries(JournalId::ZERO) {
        let data: Value = serde_json::from_str(entry.data.get()).unwrap();
        let Some(id) = data["commandId"].as_str() else {
            continue;
        };
        if let Some(open) = &open {
            assert_eq!(open, id, "commands do not mix");
        }
        let is_last = entry.event_type.as_str() == "filestore.command.completed";
        open = (!is_last).then(|| id.to_owned());
    }
    assert_eq!(open, None);
}

#[tokio::test]
async fn a_copy_is_other_nodes_with_the_same_contents() {
    let server = Server::start().await;
    let metadata = [("metadata", r#"{"k":"v"}"#)];
    let original = server.upload_with("d/f", "12345", &metadata, &[]).await;
    server.upload("d/e/g", "678").await.data();
    std::os::unix::fs::symlink("../outside", server.root.join("d/link")).unwrap();
    std::fs::write(server.root.join("d/unseen"), "90").unwrap();
    let before = server.head();
    let body = json!({ "path": "d", "targetPath": "x/copy" });
    let answer = server
        .json(Method::POST, "/v1/nodes/copy", body.clone())
        .await;
    assert_eq!(answer.status, StatusCode::CREATED);
    let mut told_now = server.told(before);
    told_now.sort();
    assert_eq!(
        told_now,
        [
            told("command.completed", "x/copy", 0),
            told("node.copied", "x/copy", 0),
            told("node.copied", "x/copy/e", 0),
            told("node.copied", "x/copy/e/g", 3),
            told("node.copied", "x/copy/f", 5),
            told("node.copied", "x/copy/link", 0),
            told("node.copied", "x/copy/unseen", 2),
            told("node.created", "x", 0),
        ]
    );
    let copy = server.by_path("x/copy/f").await;
    assert_ne!(copy.node_id(), original.node_id());
    let original = &original.data()["node"];
    for field in ["sizeBytes", "contentHash", "metadata", "lastModifiedAt"] {
        assert_eq!(copy.data()[field], original[field], "{field}");
    }
    assert_eq!(
        std::fs::read_to_string(server.root.join("x/copy/e/g")).unwrap(),
        "678"
    );
    let link = std::fs::read_link(server.root.join("x/copy/link")).unwrap();
    assert_eq!(link, std::path::Path::new("../outside"));
    assert_eq!(
        server
            .json(Method::POST, "/v1/nodes/copy", body)
            .await
            .problem()
            .1,
        "already_exists"
    );
    let itself = json!({ "path": "d", "targetPath": "d/e/x" });
    let itself = server.json(Method::POST, "/v1/nodes/copy", itself).await;
    assert_eq!(itself.problem(), (409, "conflict"));
    assert_eq!(server.names(), ["d", "x"]);
}

#[tokio::test]
async fn a_copy_over_a_file_is_that_files_node() {
    let server = Server::start().await;
    server.upload("a", "new").await.data();
    let b = server.upload("b", "older").await.node_id();
    let body = json!({ "path": "a", "targetPath": "b", "overwrite": true });
    let before = server.head();
    let answer = server.json(Method::POST, "/v1/nodes/copy", body).await;
    assert_eq!(answer.node_id(), b);
    assert_eq!(server.told(before)[0], told("node.copied", "b", -2));
    assert_eq!(
        std::fs::read_to_string(server.root.join("b")).unwrap(),
        "new"
    );
    // Contents that changed behind our back do not take the old digests along.
    std::fs::write(server.root.join("a"), "changed").unwrap();
    let body = json!({ "path": "a", "targetPath": "c" });
    let answer = server.json(Method::POST, "/v1/nodes/copy", body).await;
    assert_eq!(answer.data()["node"]["contentHash"], Value::Null);
    assert_eq!(answer.data()["node"]["sizeBytes"], 7);
}

#[tokio::test]
async fn nodes_move_and_are_copied_to_another_mount() {
    let server = Server::start().await;
    let id = server.upload("d/f", "123").await.node_id();
    let root = server.dirs.path().join("second");
    std::fs::create_dir(&root).unwrap();
    let (filestore, at) = (Arc::clone(&server.filestore), root.clone());
    let made = move || filestore.ensure_local_mount(&at).unwrap();
    let second = tokio::task::spawn_blocking(made).await.unwrap().id;
    let body = json!({ "path": "d", "targetPath": "copy", "targetBackendMountId": second });
    server
        .json(Method::POST, "/v1/nodes/copy", body)
        .await
        .data();
    let body = json!({ "path": "d", "targetPath": "moved", "targetBackendMountId": second });
    let answer = server.json(Method::POST, "/v1/nodes/move", body).await;
    assert_eq!(answer.data()["node"]["backendMountId"], second);
    assert_eq!(std::fs::read_to_string(root.join("copy/f")).unwrap(), "123");
    assert_eq!(
        std::fs::read_to_string(root.join("moved/f")).unwrap(),
        "123"
    );
    assert!(server.names().is_empty());
    let node = server.get(&format!("/v1/nodes/{id}")).await;
    assert_eq!(node.data()["path"], "moved/f");
    assert_eq!(node.data()["backendMountId"], second);
    let of_root = server
        .get(&format!("/v1/nodes/by-path?backendMountId={second}&path=/"))
        .await;
    assert_eq!(of_root.data()["rollup"]["sizeBytes"], 6);
    assert_eq!(server.by_path("/").await.data()["rollup"]["sizeBytes"], 0);
    server.assert_disk_agrees().await;
}
