//! `/v1/backend-mounts`

use crate::support::Server;
use filestore::MountError;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;

#[tokio::test]
async fn a_mount_is_made_shown_and_changed() {
    let server = Server::start().await;
    let root = server.dirs.path().join("second");
    std::fs::create_dir(&root).unwrap();
    let body = json!({ "mountKey": "data_2", "backendKind": "local", "rootPath": root,
        "displayName": "Data", "labels": ["x"], "accessMode": "ro",
        "config": { "crossFilesystems": true } });
    let made = server.json(Method::POST, "/v1/backend-mounts", body).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let mount = made.data();
    assert_eq!(
        mount["rootPath"],
        root.canonicalize().unwrap().to_str().unwrap()
    );
    assert_eq!(
        (&mount["accessMode"], &mount["state"]),
        (&json!("ro"), &json!("active"))
    );
    let id = mount["id"].as_i64().unwrap();
    let path = format!("/v1/backend-mounts/{id}");
    assert_eq!(server.get(&path).await.data(), mount);
    let root_node = server
        .get(&format!("/v1/nodes/by-path?backendMountId={id}&path=/"))
        .await;
    assert_eq!(root_node.data()["path"], "");

    let patch = json!({ "displayName": null, "labels": ["y"], "accessMode": "rw" });
    let changed = server.json(Method::PATCH, &path, patch).await;
    assert_eq!(changed.data()["displayName"], Value::Null);
    assert_eq!(changed.data()["labels"], json!(["y"]));
    assert_eq!(
        changed.data()["config"],
        json!({ "crossFilesystems": true }),
        "what is not named stays"
    );

    let listed = server.get("/v1/backend-mounts").await;
    let keys = |listed: &Value| -> Vec<String> {
        let mounts = listed["mounts"].as_array().unwrap();
        mounts
            .iter()
            .map(|mount| mount["mountKey"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(keys(listed.data()), ["tree", "data_2"]);
    assert_eq!(listed.data()["pagination"]["total"], 2);
    let searched = server
        .get("/v1/backend-mounts?search=DATA_&accessModes=rw,ro")
        .await;
    assert_eq!(keys(searched.data()), ["data_2"]);
    let paged = server.get("/v1/backend-mounts?limit=1").await;
    assert_eq!(
        (
            keys(paged.data()),
            &paged.data()["pagination"]["nextOffset"]
        ),
        (vec!["tree".to_owned()], &json!(1))
    );
    let cursor = paged.data()["pagination"]["nextCursor"].as_str().unwrap();
    let rest = server
        .get(&format!("/v1/backend-mounts?limit=1&cursor={cursor}"))
        .await;
    assert_eq!(keys(rest.data()), ["data_2"]);
    for key in ["nextOffset", "nextCursor"] {
        assert_eq!(rest.data()["pagination"][key], Value::Null, "{key}");
    }
    // States that only another system has are in no mount.
    for (states, found) in [("offline", 0), ("offline,active", 2), ("unknown,what", 0)] {
        let listed = server
            .get(&format!("/v1/backend-mounts?states={states}"))
            .await;
        assert_eq!(keys(listed.data()).len(), found, "{states}");
        let asked: Vec<_> = states.split(',').collect();
        assert_eq!(listed.data()["filters"]["states"], json!(asked));
    }
}

#[tokio::test]
async fn a_patch_of_a_mount_changes_what_may_change_or_is_refused() {
    let server = Server::start().await;
    let path = format!("/v1/backend-mounts/{}", server.mount);
    let before = server.get(&path).await.data().clone();
    for (patch, pointer, words) in [
        (json!({}), "/", "nothing to change: give accessMode"),
        (json!({ "unknown": 1 }), "/", "nothing to change"),
        (json!({ "mountKey": "tree" }), "/", "nothing to change"),
        (
            json!({ "mountKey": "x" }),
            "/mountKey",
            "keeps its mountKey (tree)",
        ),
        (
            json!({ "backendKind": "s3" }),
            "/backendKind",
            "keeps its backendKind (local)",
        ),
        (
            json!({ "rootPath": "/x", "displayName": "d" }),
            "/rootPath",
            "make another mount",
        ),
        (
            json!({ "bucket": "b" }),
            "/bucket",
            "keeps its bucket (none)",
        ),
        (
            json!({ "prefix": "p" }),
            "/prefix",
            "keeps its prefix (none)",
        ),
        (json!({ "state": "offline" }), "/state", "unknown variant"),
    ] {
        let answer = server
            .send(server.request(Method::PATCH, &path).json(&patch))
            .await;
        assert_eq!(answer.problem().0, 400, "{patch}: {answer:?}");
        assert_eq!(answer.body["errors"][0]["pointer"], pointer, "{patch}");
        assert!(answer.text.contains(words), "{patch}: {answer:?}");
    }
    assert_eq!(
        server.get(&path).await.data(),
        &before,
        "nothing was changed"
    );
    // A client may send a mount back as it was shown, with what it changes.
    let mut whole = before.clone();
    whole["displayName"] = json!("Shown");
    let changed = server
        .send(server.request(Method::PATCH, &path).json(&whole))
        .await;
    assert_eq!(changed.data()["displayName"], "Shown");
    assert_eq!(changed.data()["rootPath"], before["rootPath"]);
}

#[tokio::test]
async fn bad_mounts_are_refused_by_field() {
    let server = Server::start().await;
    std::fs::write(server.dirs.path().join("file"), "").unwrap();
    let at = |name: &str| server.dirs.path().join(name);
    let local = |root: Value| json!({ "mountKey": "k", "backendKind": "local", "rootPath": root });
    for (body, status, pointer, words) in [
        (
            local(json!(at("nowhere"))),
            400,
            "/rootPath",
            "No such file",
        ),
        (
            local(json!(at("file"))),
            400,
            "/rootPath",
            "not a directory",
        ),
        (local(json!("relative")), 400, "/rootPath", "absolute"),
        (
            json!({ "mountKey": "k", "backendKind": "local" }),
            400,
            "/rootPath",
            "needs",
        ),
        (
            local(json!(server.root)),
            409,
            "/rootPath",
            "mounted already, as \"tree\"",
        ),
        (
            json!({ "mountKey": "k", "backendKind": "s3" }),
            400,
            "/bucket",
            "needs a bucket",
        ),
        (
            json!({ "mountKey": "k", "backendKind": "ftp" }),
            400,
            "/backendKind",
            "unknown variant",
        ),
        (
            json!({ "mountKey": "a b", "backendKind": "local", "rootPath": at("data") }),
            400,
            "/mountKey",
            "letters",
        ),
        (
            json!({ "mountKey": "tree", "backendKind": "local", "rootPath": at("data") }),
            409,
            "/mountKey",
            "taken",
        ),
    ] {
        let answer = server
            .json(Method::POST, "/v1/backend-mounts", body.clone())
            .await;
        assert_eq!(answer.problem().0, status, "{body}: {answer:?}");
        assert_eq!(
            answer.body["errors"][0]["pointer"], pointer,
            "{body}: {answer:?}"
        );
        assert!(
            answer.detail().contains(words),
            "{body}: {}",
            answer.detail()
        );
    }
    assert_eq!(
        server.get("/v1/backend-mounts/99").await.problem(),
        (404, "not_found")
    );
    let patch = server
        .json(
            Method::PATCH,
            "/v1/backend-mounts/99",
            json!({ "labels": [] }),
        )
        .await;
    assert_eq!(patch.problem(), (404, "not_found"));
}

#[tokio::test]
async fn the_same_directory_is_one_mount_however_it_is_named() {
    let server = Server::start().await;
    let link = server.dirs.path().join("link");
    std::os::unix::fs::symlink(&server.root, &link).unwrap();
    std::fs::create_dir_all(server.dirs.path().join("other/tree")).unwrap();
    let filestore = Arc::clone(&server.filestore);
    let (root, dirs) = (server.root.clone(), server.dirs.path().to_owned());
    let mounts = tokio::task::spawn_blocking(move || {
        let mount = |path: &std::path::Path| filestore.ensure_local_mount(path).unwrap();
        let same = [mount(&root), mount(&link), mount(&root.join("../tree/."))];
        let other = mount(&dirs.join("other/tree"));
        let error = filestore
            .ensure_local_mount(&dirs.join("nowhere"))
            .unwrap_err();
        assert!(matches!(error, MountError::Root { .. }));
        assert!(error.to_string().contains("rootPath"), "{error}");
        (same.map(|mount| mount.id), other.mount_key)
    })
    .await
    .unwrap();
    assert_eq!(mounts, ([server.mount; 3], "tree-2".to_owned()));
}

#[tokio::test]
async fn a_setting_that_nobody_reads_is_refused_by_its_field() {
    let server = Server::start().await;
    let root = server.dirs.path().join("second");
    std::fs::create_dir(&root).unwrap();
    let refused = [
        (
            json!({ "crossFilesystem": true }),
            "/config/crossFilesystem",
        ),
        (
            json!({ "crossFilesystems": "yes" }),
            "/config/crossFilesystems",
        ),
        (
            json!({ "endpoint": "https://s3.example" }),
            "/config/endpoint",
        ),
        (
            json!({ "hashing": { "minByte": 1 } }),
            "/config/hashing/minByte",
        ),
    ];
    for (config, field) in &refused {
        let body = json!({ "backendKind": "local", "rootPath": root, "config": config });
        let made = server.json(Method::POST, "/v1/backend-mounts", body).await;
        assert_eq!(made.status, StatusCode::BAD_REQUEST, "{config}");
        assert_eq!(made.body["errors"][0]["pointer"], *field, "{config}");
    }
    let body = json!({ "backendKind": "local", "rootPath": root });
    let made = server.json(Method::POST, "/v1/backend-mounts", body).await;
    let path = format!("/v1/backend-mounts/{}", made.data()["id"]);
    for (config, field) in refused {
        let patch = json!({ "config": config });
        let changed = server.json(Method::PATCH, &path, patch).await;
        assert_eq!(changed.status, StatusCode::BAD_REQUEST, "{config}");
        assert_eq!(changed.body["errors"][0]["pointer"], field, "{config}");
    }
    let good = json!({ "config": { "crossFilesystems": true, "hashing": true } });
    let changed = server.json(Method::PATCH, &path, good).await;
    assert_eq!(changed.status, StatusCode::OK);
}
