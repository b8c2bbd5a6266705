//! What AppHub's filestore SDK and its command line send, request by request, and what they read.
//!
//! Written from the public sources of the SDK (`packages/filestore-client`), its command line, and
//! the schemas with which AppHub's frontend checks every answer; nothing of them is copied. Requests
//! are sent as those clients send them: header for header, field for field, in their order. What is
//! asserted is what they read, and that a schema of theirs would let it pass.

use crate::support::{Answered, Server};
use futures::StreamExt;
use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use std::time::Duration;

impl Server {
    /// A request with the headers that the SDK sends with each.
    fn sdk(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path)
            .header("Accept", "application/json")
            .header("User-Agent", "filestore-cli/0.1.0")
    }

    async fn sdk_command(&self, method: Method, path: &str, key: &str, body: Value) -> Answered {
        let request = self
            .sdk(method, path)
            .header("x-filestore-principal", "ada")
            .header("Idempotency-Key", key)
            .header("Content-Type", "application/json")
            .body(body.to_string());
        self.send(request).await
    }

    async fn sdk_upload(&self, path: &str, content: &str, fields: &[(&str, &str)]) -> Answered {
        let mut form = Form::new()
            .text("backendMountId", self.mount.to_string())
            .text("path", path.to_owned());
        for (name, value) in fields {
            form = form.text((*name).to_owned(), (*value).to_owned());
        }
        let key = format!("upload {path} {}", content.len());
        let name = path.rsplit('/').next().unwrap().to_owned();
        let part = Part::bytes(content.as_bytes().to_vec()).file_name(name);
        let form = form
            .text("idempotencyKey", key.clone())
            .part("file", part.mime_str("application/octet-stream").unwrap());
        let request = self.sdk(Method::POST, "/v1/files");
        let request = request
            .header("x-filestore-principal", "ada")
            .header("Idempotency-Key", key);
        self.send(request.multipart(form)).await
    }
}

/// The names and types that a node must have, as AppHub's schema of a node says: `n` is a number,
/// `s` text, `b` a boolean, `o` an object; with `?` it may be null, but must be there.
const NODE: &[(&str, &str)] = &[
    ("id", "n"),
    ("backendMountId", "n"),
    ("parentId", "n?"),
    ("path", "s"),
    ("name", "s"),
    ("depth", "n"),
    ("kind", "s"),
    ("sizeBytes", "n"),
    ("checksum", "s?"),
    ("contentHash", "s?"),
    ("metadata", "o"),
    ("state", "s"),
    ("version", "n"),
    ("isSymlink", "b"),
    ("lastSeenAt", "s"),
    ("lastModifiedAt", "s?"),
    ("consistencyState", "s"),
    ("consistencyCheckedAt", "s"),
    ("lastReconciledAt", "s?"),
    ("lastDriftDetectedAt", "s?"),
    ("createdAt", "s"),
    ("updatedAt", "s"),
    ("deletedAt", "s?"),
    ("rollup", "o?"),
    ("download", "o?"),
];

const ROLLUP: &[(&str, &str)] = &[
    ("nodeId", "n"),
    ("sizeBytes", "n"),
    ("fileCount", "n"),
    ("directoryCount", "n"),
    ("childCount", "n"),
    ("state", "s"),
    ("lastCalculatedAt", "s?"),
];

const DOWNLOAD: &[(&str, &str)] = &[
    ("mode", "s"),
    ("streamUrl", "s"),
    ("presignUrl", "s?"),
    ("supportsRange", "b"),
    ("sizeBytes", "n?"),
    ("checksum", "s?"),
    ("contentHash", "s?"),
    ("filename", "s?"),
];

const COMMAND: &[(&str, &str)] = &[
    ("idempotent", "b"),
    ("journalEntryId", "n"),
    ("node", "o?"),
    ("result", "o"),
];

const PAGINATION: &[(&str, &str)] = &[
    ("total", "n"),
    ("limit", "n"),
    ("offset", "n"),
    ("nextOffset", "n?"),
];

#[track_caller]
fn fits(value: &Value, shape: &[(&str, &str)]) {
    for (name, kind) in shape {
        let field = value
            .get(name)
            .unwrap_or_else(|| panic!("{name} is not there: {value}"));
        let is_right = match (field, kind.trim_end_matches('?')) {
            (Value::Null, _) => kind.ends_with('?'),
            (field, "n") => field.is_number(),
            (field, "s") => field.is_string(),
            (field, "b") => field.is_boolean(),
            (field, _) => field.is_object(),
        };
        assert!(is_right, "{name} is {field}, and {kind} is needed");
    }
}

#[track_caller]
fn fits_node(node: &Value) {
    fits(node, NODE);
    if !node["rollup"].is_null() {
        fits(&node["rollup"], ROLLUP);
        let states = ["up_to_date", "pending", "stale", "invalid"];
        assert!(states.contains(&node["rollup"]["state"].as_str().unwrap()));
    }
    if !node["download"].is_null() {
        fits(&node["download"], DOWNLOAD);
        assert!(["stream", "presign"].contains(&node["download"]["mode"].as_str().unwrap()));
    }
}

#[track_caller]
fn fits_command(answer: &Answered, status: u16) -> &Value {
    assert_eq!(answer.status.as_u16(), status, "{answer:?}");
    let data = answer.data();
    fits(data, COMMAND);
    fits_node(&data["node"]);
    data
}

/// What every result says of the node, as its clients read it.
#[track_caller]
fn fits_result(data: &Value, command_type: &str) {
    let (result, node) = (&data["result"], &data["node"]);
    assert_eq!(result["commandType"], command_type);
    assert_eq!(result["nodeId"], node["id"]);
    for name in [
        "backendMountId",
        "path",
        "kind",
        "state",
        "sizeBytes",
        "version",
    ] {
        assert_eq!(result[name], node[name], "{name}");
    }
}

/// The status and the code that the SDK's error has.
#[track_caller]
fn sdk_error(answer: &Answered) -> (u16, &str) {
    let error = &answer.body["error"];
    assert!(
        !error["message"].as_str().unwrap().is_empty(),
        "the SDK's error needs a message: {answer:?}"
    );
    (answer.status.as_u16(), error["code"].as_str().unwrap())
}

#[tokio::test]
async fn directories_are_created_as_the_sdk_creates_them() {
    let server = Server::start().await;
    let body = json!({ "backendMountId": server.mount, "path": "reports/daily",
        "metadata": { "team": "sales" }, "idempotencyKey": "k1" });
    let create = || server.sdk_command(Method::POST, "/v1/directories", "k1", body.clone());
    let answer = create().await;
    let data = fits_command(&answer, 201);
    assert_eq!(data["idempotent"], false);
    assert_eq!(data["node"]["metadata"], json!({ "team": "sales" }));
    assert_eq!(data["node"]["kind"], "directory");
    let id = data["node"]["id"].clone();
    fits_result(data, "createDirectory");
    assert_eq!(data["result"]["path"], "reports/daily");
    assert_eq!(data["node"]["rollup"]["childCount"], 0);

    // The SDK retries with its key: the same answer, and no second effect.
    let again = create().await;
    let data = fits_command(&again, 200);
    assert_eq!(
        (&data["idempotent"], &data["node"]["id"]),
        (&json!(true), &id)
    );
    let other = json!({ "backendMountId": server.mount, "path": "other", "idempotencyKey": "k1" });
    let other = server.sdk_command(Method::POST, "/v1/directories", "k1", other);
    assert_eq!(sdk_error(&other.await), (409, "IDEMPOTENCY_CONFLICT"));

    // Its users make each directory on the way and pass over NODE_EXISTS.
    let exists =
        json!({ "backendMountId": server.mount, "path": "reports", "idempotencyKey": "k2" });
    let exists = server.sdk_command(Method::POST, "/v1/directories", "k2", exists);
    assert_eq!(sdk_error(&exists.await), (409, "NODE_EXISTS"));
}

#[tokio::test]
async fn files_are_uploaded_overwritten_and_downloaded() {
    let server = Server::start().await;
    let fields = [("metadata", r#"{"rows":3}"#), ("overwrite", "false")];
    let answer = server.sdk_upload("in/a.csv", "1,2,3\n", &fields).await;
    let data = fits_command(&answer, 201);
    assert_eq!(data["node"]["metadata"], json!({ "rows": 3 }));
    assert_eq!(data["node"]["sizeBytes"], 6);
    fits_result(data, "uploadFile");
    assert_eq!(data["result"]["sizeBytes"], 6);
    assert_eq!(data["result"].get("previousSizeBytes"), None);
    assert_eq!(data["node"]["download"]["supportsRange"], true);
    let url = data["node"]["download"]["streamUrl"]
        .as_str()
        .unwrap()
        .to_owned();

    let taken = server.sdk_upload("in/a.csv", "other", &[]).await;
    assert_eq!(sdk_error(&taken), (409, "NODE_EXISTS"));
    let replaced = server
        .sdk_upload("in/a.csv", "4,5\n", &[("overwrite", "true")])
        .await;
    let data = fits_command(&replaced, 200);
    assert_eq!(data["node"]["version"], 2);
    fits_result(data, "writeFile");
    assert_eq!(data["result"]["previousSizeBytes"], 6);
    assert_eq!(data["result"]["previousVersion"], 1);
    server.mkdir("in/d").await.data();
    let over = server
        .sdk_upload("in/d", "x", &[("overwrite", "true")])
        .await;
    assert_eq!(sdk_error(&over), (409, "NODE_EXISTS"));

    let range = server
        .request(Method::GET, &url)
        .header("Range", "bytes=0-2");
    let part = server.send(range).await;
    assert_eq!((part.status.as_u16(), part.text.as_str()), (206, "4,5"));
    assert_eq!(part.header("content-range"), "bytes 0-2/4");
    let outside = server
        .request(Method::GET, &url)
        .header("Range", "bytes=9-");
    assert_eq!(
        sdk_error(&server.send(outside).await),
        (416, "INVALID_REQUEST")
    );
    let whole = server.get(&url).await;
    assert_eq!((whole.status.as_u16(), whole.text.as_str()), (200, "4,5\n"));
    for header in ["etag", "last-modified", "accept-ranges", "content-length"] {
        assert!(whole.headers.contains_key(header), "{header}");
    }
    let directory = server.by_path("in/d").await.node_id();
    let none = server.get(&format!("/v1/files/{directory}/content")).await;
    assert_eq!(sdk_error(&none), (409, "INVALID_REQUEST"));
}

#[tokio::test]
async fn promised_checksums_are_kept_or_refused() {
    let server = Server::start().await;
    let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    for (header, value, expected) in [
        ("x-filestore-checksum", sha256.to_owned(), (201, "")),
        (
            "x-filestore-checksum",
            format!("sha256:{}", "0".repeat(64)),
            (422, "CHECKSUM_MISMATCH"),
        ),
        (
            "x-filestore-content-hash",
            "0".repeat(64),
            (422, "CHECKSUM_MISMATCH"),
        ),
        (
            "x-filestore-checksum",
            "crc32:12".to_owned(),
            (400, "INVALID_CHECKSUM"),
        ),
    ] {
        let answer = server
            .upload_with("f", "abc", &[], &[(header, &value)])
            .await;
        if expected.0 == 201 {
            let checksum = format!("sha256:{sha256}");
            assert_eq!(fits_command(&answer, 201)["node"]["checksum"], checksum);
        } else {
            assert_eq!(sdk_error(&answer), expected, "{header}: {value}");
        }
    }
}

#[tokio::test]
async fn nodes_are_moved_copied_patched_and_deleted() {
    let server = Server::start().await;
    server.upload("in/a.csv", "123").await.data();
    let body = |path: &str, target: &str, key: &str| {
        json!({ "backendMountId": server.mount, "path": path, "targetPath": target,
            "overwrite": false, "idempotencyKey": key })
    };
    let copy = server
        .sdk_command(
            Method::POST,
            "/v1/nodes/copy",
            "c",
            body("in/a.csv", "out/b.csv", "c"),
        )
        .await;
    let data = fits_command(&copy, 201);
    assert_eq!(data["node"]["path"], "out/b.csv");
    fits_result(data, "copyNode");
    assert_eq!(data["result"]["copiedFrom"], "in/a.csv");
    let onto = body("in/a.csv", "out/b.csv", "m");
    let onto = server
        .sdk_command(Method::POST, "/v1/nodes/move", "m", onto)
        .await;
    assert_eq!(sdk_error(&onto), (409, "NODE_EXISTS"));
    let moved = server
        .sdk_command(
            Method::POST,
            "/v1/nodes/move",
            "n",
            body("in/a.csv", "out/c.csv", "n"),
        )
        .await;
    let data = fits_command(&moved, 200);
    assert_eq!(data["node"]["path"], "out/c.csv");
    fits_result(data, "moveNode");
    assert_eq!(data["result"]["movedFrom"], "in/a.csv");
    let gone = body("in/a.csv", "out/d.csv", "g");
    let gone = server
        .sdk_command(Method::POST, "/v1/nodes/move", "g", gone)
        .await;
    assert_eq!(sdk_error(&gone), (404, "NODE_NOT_FOUND"));

    let id = data["node"]["id"].as_i64().unwrap();
    let patch =
        json!({ "backendMountId": server.mount, "set": { "a": 1, "b": 2 }, "unset": ["c"] });
    let path = format!("/v1/nodes/{id}/metadata");
    let patched = server.sdk_command(Method::PATCH, &path, "p", patch).await;
    assert_eq!(
        fits_command(&patched, 200)["node"]["metadata"],
        json!({ "a": 1, "b": 2 })
    );

    let server = &server;
    let delete = |path: &str, recursive: bool, key: &str| {
        let body = json!({ "backendMountId": server.mount, "path": path, "recursive": recursive,
            "idempotencyKey": key });
        let key = key.to_owned();
        async move {
            server
                .sdk_command(Method::DELETE, "/v1/nodes", &key, body)
                .await
        }
    };
    assert_eq!(
        sdk_error(&delete("out", false, "d1").await),
        (409, "CHILDREN_EXIST")
    );
    let deleted = delete("out", true, "d2").await;
    let data = fits_command(&deleted, 200);
    assert_eq!(data["node"]["state"], "deleted");
    fits_result(data, "deleteNode");
    // It is still found by its path, as what it is.
    let found = server.by_path("out").await;
    fits_node(found.data());
    assert_eq!(
        (&found.data()["id"], &found.data()["state"]),
        (&data["node"]["id"], &json!("deleted"))
    );
    assert!(data["node"]["deletedAt"].is_string());
    assert_eq!(
        sdk_error(&delete("out", true, "d3").await),
        (404, "NODE_NOT_FOUND")
    );
}

#[tokio::test]
async fn nodes_are_listed_as_the_sdk_and_the_frontend_ask() {
    let server = Server::start().await;
    testkit::tree(&server.root, "a/one 10\na/two 20\na/b/three 30\nempty/");
    server.scan().await;
    let query = [
        ("limit", "2"),
        ("offset", "0"),
        ("path", "a"),
        ("depth", "2"),
        ("driftOnly", "false"),
        ("states", "active,inconsistent"),
        ("kinds", "file"),
    ];
    let answer = server.get_in_mount("/v1/nodes", &query).await;
    let data = answer.data();
    data["nodes"].as_array().unwrap().iter().for_each(fits_node);
    fits(&data["pagination"], PAGINATION);
    assert_eq!(data["pagination"]["total"], 3);
    assert_eq!(data["pagination"]["nextOffset"], 2);
    assert_eq!(data["nodes"][0]["path"], "a/b/three");
    let filters = json!({ "backendMountId": server.mount, "path": "a", "depth": 2,
        "states": ["active", "inconsistent"], "kinds": ["file"], "search": null,
        "driftOnly": false, "advanced": null });
    assert_eq!(data["filters"], filters);

    // The frontend repeats the parameter, and sends its filters as one object.
    let repeated = [
        ("states", "active"),
        ("states", "missing"),
        ("kinds", "directory"),
    ];
    let answer = server.get_in_mount("/v1/nodes", &repeated).await;
    assert_eq!(answer.data()["pagination"]["total"], 3);
    let advanced =
        json!({ "size": { "min": 15 }, "lastSeenAt": { "after": "2020-01-01T00:00:00Z" } });
    let filters = advanced.to_string();
    let answer = server
        .get_in_mount("/v1/nodes", &[("filters", &filters)])
        .await;
    assert_eq!(answer.data()["pagination"]["total"], 2);
    assert_eq!(
        answer.data()["filters"]["advanced"]["size"],
        json!({ "min": 15 })
    );
    for (rollup, expected) in [
        (json!({ "minFileCount": 3 }), vec!["a"]),
        (
            json!({ "maxChildCount": 0, "states": ["up_to_date"] }),
            vec!["empty"],
        ),
        (
            json!({ "minSizeBytes": 30, "maxSizeBytes": 30 }),
            vec!["a/b"],
        ),
        (json!({ "states": ["stale"] }), vec![]),
        (
            json!({ "minDirectoryCount": 1, "lastCalculatedAfter": "2020-01-01T00:00:00Z" }),
            vec!["a"],
        ),
    ] {
        let filters = json!({ "rollup": rollup }).to_string();
        let answer = server
            .get_in_mount("/v1/nodes", &[("filters", &filters)])
            .await;
        let nodes = answer.data()["nodes"].as_array().unwrap();
        let paths: Vec<_> = nodes
            .iter()
            .map(|node| node["path"].as_str().unwrap())
            .collect();
        assert_eq!(paths, expected, "{rollup}");
    }
    let wrong = json!({ "size": { "min": 2, "max": 1 } }).to_string();
    let wrong = server
        .get_in_mount("/v1/nodes", &[("filters", &wrong)])
        .await;
    assert_eq!(sdk_error(&wrong), (400, "INVALID_REQUEST"));

    let id = server.by_path("a").await.node_id();
    let children = server
        .get(&format!("/v1/nodes/{id}/children?limit=200&offset=0"))
        .await;
    let data = children.data();
    fits_node(&data["parent"]);
    data["children"]
        .as_array()
        .unwrap()
        .iter()
        .for_each(fits_node);
    fits(&data["pagination"], PAGINATION);
    for name in ["states", "kinds", "search", "driftOnly", "advanced"] {
        assert!(data["filters"].get(name).is_some(), "{name}");
    }
}

#[tokio::test]
async fn nodes_are_found_by_id_and_by_path() {
    let server = Server::start().await;
    let id = server.upload("a/f", "1").await.node_id();
    let by_path = server.sdk(Method::GET, "/v1/nodes/by-path");
    let by_path = by_path.query(&[
        ("backendMountId", &*server.mount.to_string()),
        ("path", "a/f"),
    ]);
    let by_path = server.send(by_path).await;
    fits_node(by_path.data());
    let by_id = server
        .send(server.sdk(Method::GET, &format!("/v1/nodes/{id}")))
        .await;
    assert_eq!(by_id.data(), by_path.data());
    assert_eq!(
        sdk_error(&server.by_path("a/none").await),
        (404, "NODE_NOT_FOUND")
    );
    assert_eq!(
        sdk_error(&server.get("/v1/nodes/999999").await),
        (404, "NODE_NOT_FOUND")
    );
    let no_mount = json!({ "backendMountId": 99, "path": "a", "idempotencyKey": "x" });
    let no_mount = server
        .sdk_command(Method::POST, "/v1/directories", "x", no_mount)
        .await;
    assert_eq!(sdk_error(&no_mount), (404, "BACKEND_NOT_FOUND"));
    assert_eq!(
        sdk_error(&server.mkdir("a/../b").await),
        (400, "INVALID_PATH")
    );
    assert_eq!(
        sdk_error(&server.mkdir("a/f/g").await),
        (409, "NOT_A_DIRECTORY")
    );
    let invalid = json!({ "backendMountId": "one", "path": 7 });
    let invalid = server
        .sdk_command(Method::POST, "/v1/directories", "y", invalid)
        .await;
    assert_eq!(sdk_error(&invalid), (400, "INVALID_REQUEST"));
}

/// As the SDK takes a stream apart: frames by a blank line, `event:` and `data:` lines in each.
fn frames(text: &str) -> Vec<(String, Value)> {
    let (whole, _) = text.rsplit_once("\n\n").unwrap_or_default();
    let frames = whole.split("\n\n").filter_map(|frame| {
        let lines = || frame.lines().filter(|line| !line.starts_with(':'));
        let event = lines().find_map(|line| line.strip_prefix("event:"))?;
        let data: Vec<_> = lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .map(str::trim)
            .collect();
        let data = serde_json::from_str(&data.join("\n")).ok()?;
        Some((event.trim().to_owned(), data))
    });
    frames.collect()
}

#[tokio::test]
async fn events_come_in_the_frames_that_the_sdk_takes_apart() {
    let server = Server::start().await;
    let query = format!(
        "/v1/events/stream?backendMountId={}&pathPrefix=a&events=filestore.node.created\
         &events=filestore.node.uploaded",
        server.mount
    );
    let request = server.sdk(Method::GET, &query);
    let response = request
        .header("Accept", "text/event-stream")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    server.mkdir("a").await.data();
    server.mkdir("b").await.data();
    server.upload("a/f", "1").await.data();
    let mut body = response.bytes_stream();
    let mut text = String::new();
    while frames(&text).len() < 2 {
        let piece = tokio::time::timeout(Duration::from_secs(30), body.next()).await;
        text.push_str(str::from_utf8(&piece.unwrap().unwrap().unwrap()).unwrap());
    }
    let frames = frames(&text);
    let seen: Vec<_> = frames
        .iter()
        .map(|(event, data)| (event.as_str(), data["data"]["path"].as_str().unwrap()))
        .collect();
    assert_eq!(
        seen,
        [
            ("filestore.node.created", "a"),
            ("filestore.node.uploaded", "a/f")
        ]
    );
    for (event, data) in &frames {
        assert_eq!(data["type"], *event);
        let payload = [
            ("backendMountId", "n"),
            ("nodeId", "n?"),
            ("path", "s"),
            ("kind", "s"),
            ("state", "s"),
            ("parentId", "n?"),
            ("version", "n?"),
            ("sizeBytes", "n?"),
            ("checksum", "s?"),
            ("contentHash", "s?"),
            ("metadata", "o"),
            ("journalId", "n"),
            ("command", "s"),
            ("idempotencyKey", "s?"),
            ("principal", "s?"),
            ("observedAt", "s"),
        ];
        fits(&data["data"], &payload);
    }
}

#[tokio::test]
async fn mounts_are_listed_for_the_frontend() {
    let server = Server::start().await;
    let path = "/v1/backend-mounts?limit=50&offset=0&kinds=local&states=active&states=inactive\
                &accessModes=rw&search=tree";
    let answer = server.get(path).await;
    let data = answer.data();
    fits(&data["pagination"], PAGINATION);
    let mount = [
        ("id", "n"),
        ("mountKey", "s"),
        ("displayName", "s?"),
        ("description", "s?"),
        ("contact", "s?"),
        ("backendKind", "s"),
        ("accessMode", "s"),
        ("state", "s"),
        ("stateReason", "s?"),
        ("config", "o"),
        ("lastHealthCheckAt", "s?"),
        ("lastHealthStatus", "s?"),
        ("rootPath", "s?"),
        ("bucket", "s?"),
        ("prefix", "s?"),
        ("createdAt", "s"),
        ("updatedAt", "s"),
    ];
    fits(&data["mounts"][0], &mount);
    assert_eq!(data["filters"]["kinds"], json!(["local"]));
    assert_eq!(data["filters"]["states"], json!(["active", "inactive"]));
    assert_eq!(data["filters"]["search"], "tree");
    assert_eq!(data["mounts"][0]["labels"], json!([]));
}

/// What AppHub's schema of a reconciliation job says.
const JOB: &[(&str, &str)] = &[
    ("id", "n"),
    ("jobKey", "s"),
    ("backendMountId", "n"),
    ("nodeId", "n?"),
    ("path", "s"),
    ("reason", "s"),
    ("status", "s"),
    ("detectChildren", "b"),
    ("requestedHash", "b"),
    ("attempt", "n"),
    ("result", "o?"),
    ("error", "o?"),
    ("enqueuedAt", "s"),
    ("startedAt", "s?"),
    ("completedAt", "s?"),
    ("durationMs", "n?"),
    ("updatedAt", "s"),
];

#[tokio::test]
async fn reconciliation_is_asked_for_and_followed_as_the_sdk_and_the_frontend_do() {
    let server = Server::start().await;
    let id = server.sdk_upload("d/file", "x", &[]).await.node_id();
    let ask = json!({ "backendMountId": server.mount, "path": "d/file", "nodeId": id,
        "reason": "manual", "detectChildren": false, "requestedHash": true });
    let request = server.sdk(Method::POST, "/v1/reconciliation");
    let request = request.header("Content-Type", "application/json");
    let asked = server.send(request.body(ask.to_string())).await;
    assert_eq!(
        (asked.status.as_u16(), &asked.data()["enqueued"]),
        (202, &json!(true))
    );
    let path = format!(
        "/v1/reconciliation/jobs?backendMountId={}&path=d/file&status=succeeded&limit=20&offset=0",
        server.mount
    );
    let listed = testkit::wait_for_async("the job to end", Duration::from_secs(60), async || {
        let listed = server.send(server.sdk(Method::GET, &path)).await;
        match listed.data()["jobs"]
            .as_array()
            .is_some_and(|jobs| jobs.len() == 1)
        {
            true => Ok(listed),
            false => Err(listed),
        }
    })
    .await;
    let data = listed.data();
    fits(&data["pagination"], PAGINATION);
    fits(&data["jobs"][0], JOB);
    assert_eq!(
        data["filters"],
        json!({ "backendMountId": server.mount, "path": "d/file", "status": ["succeeded"] })
    );
    let job = data["jobs"][0]["id"].as_i64().unwrap();
    let detail = server.sdk(Method::GET, &format!("/v1/reconciliation/jobs/{job}"));
    let detail = server.send(detail).await;
    fits(detail.data(), JOB);
    assert_eq!(detail.data()["result"]["outcome"], "reconciled");
    let none = server.sdk(Method::GET, "/v1/reconciliation/jobs/4711");
    assert_eq!(sdk_error(&server.send(none).await).0, 404);
}

#[tokio::test]
async fn what_people_note_of_a_mount_is_kept_as_the_frontend_takes_it() {
    let server = Server::start().await;
    let path = format!("/v1/backend-mounts/{}", server.mount);
    let patch = |body: Value| {
        let request = server.sdk(Method::PATCH, &path).json(&body);
        server.send(request)
    };
    let notes = json!({ "displayName": "Films", "description": "All of them", "contact": "ada",
        "labels": ["a", "b"], "stateReason": "moving house" });
    let noted = patch(notes.clone()).await;
    for (name, value) in notes.as_object().unwrap() {
        assert_eq!(noted.data()[name], *value, "{name}");
    }
    let kept = patch(json!({ "contact": null })).await;
    assert_eq!(
        (&kept.data()["contact"], &kept.data()["description"]),
        (&Value::Null, &json!("All of them"))
    );
    for (body, pointer) in [
        (json!({ "displayName": "x".repeat(129) }), "/displayName"),
        (json!({ "description": " " }), "/description"),
        (json!({ "contact": "x".repeat(257) }), "/contact"),
        (json!({ "stateReason": "" }), "/stateReason"),
        (json!({ "labels": ["a", ""] }), "/labels/1"),
        (json!({ "labels": vec!["a"; 33] }), "/labels"),
    ] {
        let refused = patch(body).await;
        assert_eq!(refused.status.as_u16(), 400, "{refused:?}");
        assert_eq!(refused.body["errors"][0]["pointer"], pointer, "{refused:?}");
    }
    assert_eq!(server.get(&path).await.data()["displayName"], "Films");
}
