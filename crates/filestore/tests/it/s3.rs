//! What is particular to buckets.

use crate::support::{BUCKET, Ground, Server, told};
use journal::JournalId;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use testkit::S3Server;

async fn start() -> (Server, S3Server) {
    let ground = Ground::s3();
    let server = ground.start().await;
    let Ground::S3(s3) = ground else {
        unreachable!()
    };
    (server, s3)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_goes_in_parts_and_leaves_none() {
    let (server, s3) = start().await;
    let content = "0123456789abcdef".repeat(20 * 1024 * 1024 / 16);
    let answer = server.upload("large", &content).await;
    assert_eq!(answer.data()["node"]["sizeBytes"], content.len());
    let id = answer.node_id();
    assert_eq!(server.content("large").await, content);
    let range = server
        .request(Method::GET, &format!("/v1/files/{id}/content"))
        .header("range", "bytes=9000000-9000015");
    let part = server.send(range).await;
    assert_eq!(
        (part.status, &*part.text),
        (StatusCode::PARTIAL_CONTENT, "0123456789abcdef")
    );
    assert_eq!(s3.uploads(BUCKET), 0);
    let refused = server.upload("large", &content).await;
    assert_eq!(refused.problem(), (409, "already_exists"));
    assert_eq!(s3.uploads(BUCKET), 0, "what was sent is taken back");
    server.rename("large", "moved/large").await.data();
    assert_eq!(s3.keys(BUCKET), ["moved/large"]);
    server.assert_disk_agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_to_download_with_works_and_is_journalled() {
    let (server, s3) = start().await;
    let id = server.upload("d/ü b", "contents").await.node_id();
    let before = server.head();
    let answer = server
        .get(&format!("/v1/files/{id}/presign?expiresIn=60"))
        .await;
    let data = answer.data();
    assert_eq!(
        (&data["method"], &data["headers"]),
        (&json!("GET"), &json!({}))
    );
    let url = data["url"].as_str().unwrap();
    assert!(
        url.starts_with(&s3.url()) && url.contains("X-Amz-Expires=60"),
        "{url}"
    );
    assert!(!url.contains("hush"), "{url}");
    let got = server.client.get(url).send().await.unwrap();
    assert_eq!(got.text().await.unwrap(), "contents");
    let told = testkit::wait_for_async(
        "the download in the journal",
        std::time::Duration::from_secs(10),
        async || server.entries(before).into_iter().next().ok_or("nothing"),
    )
    .await;
    let told: Value = serde_json::from_str(told.data.get()).unwrap();
    assert_eq!(
        (&told["mode"], &told["nodeId"]),
        (&json!("presign"), &json!(id))
    );

    let none = server
        .get(&format!("/v1/files/{id}/presign?expiresIn=0"))
        .await;
    assert_eq!(none.status, 400);
    let directory = server.by_path("d").await.node_id();
    let refused = server.get(&format!("/v1/files/{directory}/presign")).await;
    assert_eq!(refused.problem(), (409, "wrong_kind"));
    let local = server.get("/v1/backend-mounts?kinds=local").await;
    let local = local.data()["mounts"][0]["id"].as_i64().unwrap();
    let body = json!({ "path": "d/ü b", "targetPath": "f", "targetBackendMountId": local });
    let copied = server
        .json(Method::POST, "/v1/nodes/copy", body)
        .await
        .node_id();
    let refused = server.get(&format!("/v1/files/{copied}/presign")).await;
    assert_eq!(refused.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_no_paths_are_told_and_left_alone() {
    let (server, s3) = start().await;
    for key in ["d//f", "d/./f", "d/../f", "d/f", "/top", "d/g/"] {
        s3.put(BUCKET, key, if key.ends_with('/') { "" } else { "x" });
    }
    let report = server.scan().await;
    let mut problems: Vec<_> = report
        .problems
        .iter()
        .map(|problem| &*problem.path)
        .collect();
    problems.sort_unstable();
    assert_eq!(problems, ["/", "d/../", "d/./", "d//"]);
    assert!(report.problems[0].reason.contains("no path"), "{report:?}");
    let children = server.get_in_mount("/v1/nodes", &[("limit", "100")]).await;
    let paths: Vec<_> = children.data()["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["path"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(paths, ["d", "d/f", "d/g"]);
    // A tree with such a key is not copied or moved in part.
    let moved = server.rename("d", "e").await;
    assert_eq!(moved.problem().0, 400, "{moved:?}");
    assert_eq!(s3.content(BUCKET, "d/f").as_deref(), Some("x"));
    // Deleting a directory with all in it takes them too.
    server.delete("d", true).await.data();
    assert_eq!(s3.keys(BUCKET), ["/top"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_that_are_no_keys_are_refused() {
    let (server, s3) = start().await;
    let long = ["n"; 520].join("/");
    for path in ["a\nb", "caf\u{EFE9}", &long, "tab\there"] {
        let upload = server.upload(path, "x").await;
        assert_eq!(upload.status, 400, "{path:?}: {upload:?}");
        assert_eq!(server.mkdir(path).await.status, 400, "{path:?}");
    }
    assert!(s3.keys(BUCKET).is_empty());
    for path in [
        "spaces and +",
        "100%",
        "%2F%0A",
        "ü/日本語",
        "a?b#c",
        "~$@!'()*,;=&",
        "\\{}^`|<>[]\"",
    ] {
        server.upload(path, path).await.data();
        assert_eq!(server.content(path).await, path);
    }
    server.assert_disk_agrees().await;
    let keys = s3.keys(BUCKET);
    assert!(keys.contains(&"%2F%0A".to_owned()), "{keys:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn directories_are_prefixes_and_are_marked_only_where_they_would_vanish() {
    let (server, s3) = start().await;
    server.upload("a/b/f", "x").await.data();
    server.upload("a/g", "x").await.data();
    assert_eq!(s3.keys(BUCKET), ["a/b/f", "a/g"]);
    server.delete("a/b/f", false).await.data();
    assert_eq!(s3.keys(BUCKET), ["a/b/", "a/g"]);
    server.mkdir("empty").await.data();
    server.rename("a/b", "c").await.data();
    assert_eq!(s3.keys(BUCKET), ["a/g", "c/", "empty/"]);
    server.assert_disk_agrees().await;
    // An object with the name of a directory is hidden by it.
    s3.put(BUCKET, "a", "object");
    let report = server.scan().await;
    assert_eq!(report.changes.total(), 0, "{report:?}");
    assert_eq!((report.problem_count, &*report.problems[0].path), (1, "a/"));
    assert!(report.problems[0].reason.contains("hidden"), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rename_by_others_is_recognised_where_it_is_the_only_one_of_its_kind() {
    let (server, s3) = start().await;
    let unique = server.upload("unique", "only one of these").await.node_id();
    let twins = [
        server.upload("twin-1", "twin").await.node_id(),
        server.upload("twin-2", "twin").await.node_id(),
    ];
    let empty = server.upload("empty", "").await.node_id();
    for (old, new, content) in [
        ("unique", "elsewhere/unique", "only one of these"),
        ("twin-1", "elsewhere/twin-1", "twin"),
        ("twin-2", "elsewhere/twin-2", "twin"),
        ("empty", "elsewhere/empty", ""),
    ] {
        s3.delete(BUCKET, old);
        s3.put(BUCKET, new, content);
    }
    server.scan().await;
    assert_eq!(server.by_path("elsewhere/unique").await.node_id(), unique);
    for (path, id) in [("twin-1", twins[0]), ("twin-2", twins[1]), ("empty", empty)] {
        let found = server.by_path(&format!("elsewhere/{path}")).await;
        assert_ne!(found.node_id(), id, "{path}: it may be the other one");
    }
    // A copy is no rename while the original is there.
    s3.put(BUCKET, "copy", "only one of these");
    server.scan().await;
    assert_eq!(server.by_path("elsewhere/unique").await.node_id(), unique);
    assert_ne!(server.by_path("copy").await.node_id(), unique);
    server.assert_disk_agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_has_the_storage_class_that_its_bucket_tells() {
    let (server, s3) = start().await;
    let class = async |path: &str| server.by_path(path).await.data()["storageClass"].clone();
    server.upload("uploaded", "text").await;
    assert_eq!(class("uploaded").await, "STANDARD");
    s3.put(BUCKET, "put", "text");
    s3.put_into("GLACIER", BUCKET, "old/cold", "text");
    server.scan().await;
    assert_eq!(class("put").await, "STANDARD");
    assert_eq!(class("old/cold").await, "GLACIER");
    let head = server.head();
    server.scan().await;
    assert_eq!(server.head(), head, "nothing is told twice");
    s3.put_into("DEEP_ARCHIVE", BUCKET, "old/cold", "text");
    server.scan().await;
    let shown = server.by_path("old/cold").await;
    assert_eq!(shown.data()["storageClass"], "DEEP_ARCHIVE", "{shown:?}");
    let entries = server.entries(head);
    let mut data = entries
        .iter()
        .map(|entry| serde_json::from_str::<Value>(entry.data.get()).unwrap());
    let data = data.find(|data| data["storageClass"] == "DEEP_ARCHIVE");
    let data = data.expect("an entry tells it");
    let changed = data["changed"].as_array().unwrap();
    assert!(changed.contains(&json!("storageClass")), "{data}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_belongs_to_the_account_that_its_bucket_tells() {
    let (server, s3) = start().await;
    let uploaded = server.upload("uploaded", "text").await;
    s3.put(BUCKET, "put", "text");
    server.scan().await;
    // The account that everything belongs to in this server.
    for path in ["uploaded", "put"] {
        let node = server.by_path(path).await;
        let shown = [&node.data()["user"], &node.data()["uid"]];
        assert_eq!(shown, [&json!("webfile"), &Value::Null], "{path}");
    }
    let first = &uploaded.data()["node"]["user"];
    assert_eq!(first, "webfile", "an upload tells it at once");
    server.rename("uploaded", "renamed").await.data();
    let head = server.head();
    server.scan().await;
    assert_eq!(server.head(), head, "nothing is told twice");
    let directory = server.mkdir("d").await;
    assert_eq!(directory.data()["node"]["user"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_has_its_tags_where_the_mount_has_them_asked_for() {
    let (server, s3) = start().await;
    let tags = async |path: &str| server.by_path(path).await.data()["objectTags"].clone();
    s3.put(BUCKET, "d/one", "text");
    s3.put(BUCKET, "d/two", "text");
    s3.tag(BUCKET, "d/one", &[("project", "apollo"), ("class", "a b")]);
    server.scan().await;
    assert_eq!(tags("d/one").await, Value::Null, "nobody has asked");

    let mount = format!("/v1/backend-mounts/{}", server.mount);
    let mut config = server.get(&mount).await.data()["config"].clone();
    config["objectTags"] = json!(true);
    let patch = server.request(Method::PATCH, &mount);
    let patched = server.send(patch.json(&json!({ "config": config }))).await;
    assert_eq!(patched.data()["config"]["objectTags"], true);
    let told_by_scan = async || {
        let before = server.head();
        server.scan().await;
        let entries = server.entries(before);
        let told = entries.iter().filter_map(|entry| {
            let data: Value = serde_json::from_str(entry.data.get()).unwrap();
            let changed = data["changed"].as_array()?;
            assert_eq!(changed, &[json!("objectTags")], "{data}");
            Some((data["path"].clone(), data["objectTags"].clone()))
        });
        told.collect::<Vec<_>>()
    };
    let first = json!({ "project": "apollo", "class": "a b" });
    let one = json!("d/one");
    assert_eq!(told_by_scan().await, [(one.clone(), first.clone())]);
    assert_eq!(tags("d/one").await, first);
    assert_eq!(tags("d/two").await, Value::Null, "it has none");
    assert_eq!(told_by_scan().await, [], "nothing is told twice");

    s3.tag(BUCKET, "d/one", &[("project", "gemini")]);
    let second = json!({ "project": "gemini" });
    assert_eq!(told_by_scan().await, [(one.clone(), second)]);
    s3.tag(BUCKET, "d/one", &[]);
    assert_eq!(told_by_scan().await, [(one, Value::Null)]);
    assert_eq!(tags("d/one").await, Value::Null);

    // An upload has no tags, and a new object is told with those that it has.
    let before = server.head();
    server.upload("uploaded", "text").await.data();
    s3.put(BUCKET, "new", "text");
    s3.tag(BUCKET, "new", &[("project", "apollo")]);
    server.scan().await;
    assert_eq!(tags("new").await, json!({ "project": "apollo" }));
    assert_eq!(
        server.told(before),
        [
            told("node.uploaded", "uploaded", 4),
            told("command.completed", "uploaded", 0),
            told("drift.detected", "new", 0),
            told("node.created", "new", 4),
            told("command.completed", "", 0),
        ]
    );

    let wrong = json!({ "config": { "objectTags": "yes" } });
    let patch = server.request(Method::PATCH, &mount).json(&wrong);
    let refused = server.send(patch).await;
    assert_eq!(refused.problem().0, 400, "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_bucket_is_mounted_and_nothing_beside_it_is_seen_or_touched() {
    let (server, s3) = start().await;
    s3.put(BUCKET, "part/f", "in");
    s3.put(BUCKET, "part-2/f", "beside");
    s3.put(BUCKET, "f", "above");
    let mut body = server.s3_mount_body(&s3);
    body["mountKey"] = json!("part");
    body["prefix"] = json!("/part/");
    let create = |body: &Value| {
        let request = server
            .request(Method::POST, "/v1/backend-mounts")
            .json(body);
        server.send(request)
    };
    let made = create(&body).await;
    assert_eq!(
        (&made.data()["prefix"], &made.data()["bucket"]),
        (&json!("part"), &json!(BUCKET))
    );
    let mount = made.data()["id"].as_i64().unwrap();
    body["mountKey"] = json!("again");
    assert_eq!(create(&body).await.problem(), (409, "already_exists"));
    let (filestore, options) = (
        Arc::clone(&server.filestore),
        filestore::ScanOptions::default(),
    );
    let report = tokio::task::spawn_blocking(move || filestore.scan(mount, &options).unwrap());
    assert_eq!(report.await.unwrap().changes.created, 1);
    let body = json!({ "backendMountId": mount, "path": "f", "targetPath": "g" });
    server
        .json(Method::POST, "/v1/nodes/move", body)
        .await
        .data();
    assert_eq!(s3.keys(BUCKET), ["f", "part-2/f", "part/g"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_cannot_work_are_refused_before_anything_is_made() {
    let (server, s3) = start().await;
    let good = server.s3_mount_body(&s3);
    let with = |change: &dyn Fn(&mut Value)| {
        let mut body = good.clone();
        body["mountKey"] = json!("other");
        change(&mut body);
        body
    };
    for (body, pointer) in [
        (with(&|b| b["bucket"] = json!("no-such-bucket")), "/bucket"),
        (with(&|b| b["bucket"] = json!("No")), "/bucket"),
        (with(&|b| b["prefix"] = json!("a//b")), "/prefix"),
        (
            with(&|b| b["config"]["allowHttp"] = json!(false)),
            "/config/endpoint",
        ),
        (
            with(&|b| b["config"]["secretAccessKey"] = json!("hush")),
            "/config/secretAccessKey",
        ),
        (
            with(&|b| b["config"]["credentialsFile"] = json!("/no/such/file")),
            "/bucket",
        ),
        (
            with(&|b| b["config"]["credentialsProfile"] = json!("none")),
            "/bucket",
        ),
    ] {
        let request = server
            .request(Method::POST, "/v1/backend-mounts")
            .json(&body);
        let answer = server.send(request).await;
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
        assert_eq!(answer.body["errors"][0]["pointer"], pointer, "{answer:?}");
        assert!(!answer.text.contains("hush"), "{answer:?}");
    }
    let patch = json!({ "config": { "accessKeyId": "x" } });
    let path = format!("/v1/backend-mounts/{}", server.mount);
    let patched = server
        .send(server.request(Method::PATCH, &path).json(&patch))
        .await;
    assert_eq!(patched.status, 400);
    let mounts = server.get("/v1/backend-mounts").await;
    assert_eq!(mounts.data()["mounts"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_nowhere_in_the_data_directory() {
    let (server, s3) = start().await;
    server.upload("f", "x").await.data();
    server.scan().await;
    let entries = server.entries(JournalId::ZERO);
    assert!(
        entries
            .iter()
            .all(|entry| !entry.data.get().contains("hush"))
    );
    let dirs = server.close().await;
    let mut looked_at = 0;
    for file in std::fs::read_dir(dirs.path().join("data")).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        looked_at += bytes.len();
        assert!(!bytes.windows(9).any(|window| window == b"hush-hush"));
    }
    assert!(looked_at > 0);
    drop(s3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_does_not_answer_is_an_outage_and_changes_nothing() {
    let (server, mut s3) = start().await;
    let id = server.upload("f", "x").await.node_id();
    let head = server.head();
    s3.stop();
    let upload = server.upload("g", "x").await;
    assert_eq!(upload.status, StatusCode::SERVICE_UNAVAILABLE, "{upload:?}");
    let content = server.get(&format!("/v1/files/{id}/content")).await;
    assert_eq!(
        content.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "{content:?}"
    );
    let (filestore, mount) = (Arc::clone(&server.filestore), server.mount);
    let scanned = tokio::task::spawn_blocking(move || {
        filestore.scan(mount, &filestore::ScanOptions::default())
    });
    let error = scanned.await.unwrap().unwrap_err();
    assert!(
        matches!(error, filestore::ScanError::Bucket(..)),
        "{error:?}"
    );
    assert_eq!(server.head(), head);
    assert_eq!(server.by_path("f").await.data()["state"], "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_names_that_came_and_went_are_told_once_each() {
    let (server, s3) = start().await;
    server.upload("d/first", "1").await.data();
    // Names whose order is another with the slash of a directory, over many pages of three.
    let mut names: Vec<_> = (0..20).map(|at| format!("d/n{at:02}")).collect();
    for name in [
        "a", "a-", "a-b", "b!", "b/c", "b/c-d", "b/c/e", "b0", "%C3%BC", "z/z",
    ] {
        names.push(format!("d/{name}"));
    }
    names.push("e".to_owned());
    for name in &names {
        s3.put(BUCKET, name, name);
    }
    // An object that a directory hides.
    s3.put(BUCKET, "d/z", "hidden");
    let before = server.head();
    server.scan().await;
    let told = server.told(before);
    let created = |told: &[(String, String, i64)]| {
        let created = told.iter().filter(|(event, _, _)| event == "node.created");
        created.count()
    };
    // With the directories d/b, d/b/c and d/z; the object d/b/c is hidden too.
    assert_eq!(created(&told), names.len() - 1 + 3, "{told:?}");
    server.assert_disk_agrees().await;

    for name in names.iter().filter(|name| !name.ends_with('5')) {
        s3.delete(BUCKET, name);
    }
    s3.put(BUCKET, "d/n20", "new");
    s3.put(BUCKET, "d/n21/x", "new");
    server.scan().await;
    server.assert_disk_agrees().await;
    assert_eq!(server.by_path("d/n15").await.data()["state"], "active");
    assert_eq!(server.by_path("d/n21/x").await.data()["state"], "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn reconciliation_jobs_set_right_what_others_did_to_a_bucket() {
    let (server, s3) = start().await;
    for path in ["d/same", "d/changed", "d/gone"] {
        server.upload(path, "before").await.data();
    }
    s3.put(BUCKET, "d/changed", "afterwards");
    s3.delete(BUCKET, "d/gone");
    s3.put(BUCKET, "d/new", "new");
    let before = server.head();
    let ask = json!({ "path": "d", "detectChildren": true, "requestedHash": true });
    let asked = server.json(Method::POST, "/v1/reconciliation", ask).await;
    let job = asked.data()["job"]["id"].as_i64().unwrap();
    let long = std::time::Duration::from_secs(60);
    let job = testkit::wait_for_async("the job to end", long, async || {
        let job = server.get(&format!("/v1/reconciliation/jobs/{job}")).await;
        let job = job.data().clone();
        match job["status"].as_str() {
            Some("queued" | "running") => Err(job),
            _ => Ok(job),
        }
    })
    .await;
    assert_eq!(job["status"], "succeeded", "{job}");
    assert_eq!(job["result"]["hashedFiles"], 2, "{job}");
    let told = server.told(before);
    for (event_type, path, size_delta) in [
        ("drift.detected", "d", 0),
        ("node.reconciled", "d/changed", 4),
        ("node.missing", "d/gone", -6),
        ("node.created", "d/new", 3),
    ] {
        let one = crate::support::told(event_type, path, size_delta);
        assert!(told.contains(&one), "{one:?} in {told:?}");
    }
    assert!(
        !told.iter().any(|(_, path, _)| path == "d/same"),
        "{told:?}"
    );
    for (path, content) in [("d/changed", "afterwards"), ("d/new", "new")] {
        let hash = format!("blake3:{}", blake3::hash(content.as_bytes()));
        assert_eq!(
            server.by_path(path).await.data()["contentHash"],
            hash,
            "{path}"
        );
    }
    server.assert_disk_agrees().await;

    // A download that meets what is gone marks the node, and has it set right.
    let id = server.by_path("d/new").await.node_id();
    s3.delete(BUCKET, "d/new");
    let refused = server.get(&format!("/v1/files/{id}/content")).await;
    assert_eq!(refused.problem().0, 409, "{refused:?}");
    testkit::wait_for_async("the node to be missing", long, async || {
        let node = server.get(&format!("/v1/nodes/{id}")).await;
        let state = node.data()["state"].clone();
        if state == "missing" {
            Ok(())
        } else {
            Err(state)
        }
    })
    .await;
}
