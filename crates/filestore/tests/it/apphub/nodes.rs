//! What lists and finds nodes.

use super::{PAGINATION, fits, fits_node, sdk_error};
use crate::support::Server;
use reqwest::Method;
use serde_json::json;

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
