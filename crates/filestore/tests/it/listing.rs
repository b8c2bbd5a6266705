//! `GET /v1/nodes` and its relatives.

use crate::support::{Answered, Server};
use reqwest::Method;
use serde_json::{Value, json};

fn paths(answer: &Answered) -> Vec<String> {
    let data = answer.data();
    let nodes = data
        .get("nodes")
        .or(data.get("children"))
        .unwrap()
        .as_array()
        .unwrap();
    nodes
        .iter()
        .map(|node| node["path"].as_str().unwrap().to_owned())
        .collect()
}

async fn populated() -> Server {
    let server = Server::start().await;
    testkit::tree(
        &server.root,
        "a/one 10
         a/two 20
         a/b/three 30
         a/b/c/four 40
         a-side 5
         ab/x 1
         empty/
         link -> a/one",
    );
    server.scan().await;
    server
}

#[tokio::test]
async fn nodes_below_a_path_come_in_order_and_to_a_depth() {
    let server = populated().await;
    let all = server.get_in_mount("/v1/nodes", &[]).await;
    assert_eq!(
        paths(&all),
        [
            "a",
            "a-side",
            "a/b",
            "a/b/c",
            "a/b/c/four",
            "a/b/three",
            "a/one",
            "a/two",
            "ab",
            "ab/x",
            "empty",
            "link"
        ]
    );
    assert_eq!(
        all.data()["pagination"],
        json!({ "total": 12, "isTotalExact": true, "limit": 100, "offset": 0, "nextOffset": null,
            "nextCursor": null, "nextAfter": null })
    );
    let below = server.get_in_mount("/v1/nodes", &[("path", "/a")]).await;
    assert_eq!(
        paths(&below),
        ["a/b", "a/b/c", "a/b/c/four", "a/b/three", "a/one", "a/two"]
    );
    assert_eq!(below.data()["pagination"]["total"], 6);
    let children = server
        .get_in_mount("/v1/nodes", &[("path", "a"), ("depth", "1")])
        .await;
    assert_eq!(paths(&children), ["a/b", "a/one", "a/two"]);
    assert_eq!(children.data()["pagination"]["total"], 3);
    let two = server
        .get_in_mount("/v1/nodes", &[("path", "a"), ("depth", "2")])
        .await;
    assert_eq!(paths(&two), ["a/b", "a/b/c", "a/b/three", "a/one", "a/two"]);
    assert_eq!(two.data()["pagination"]["total"], 5);
    let root = server.get_in_mount("/v1/nodes", &[("depth", "1")]).await;
    assert_eq!(paths(&root), ["a", "a-side", "ab", "empty", "link"]);
    let id = server.by_path("a").await.node_id();
    let of_id = server.get(&format!("/v1/nodes/{id}/children")).await;
    assert_eq!(paths(&of_id), ["a/b", "a/one", "a/two"]);
    let nothing = server
        .get_in_mount("/v1/nodes", &[("path", "nowhere")])
        .await;
    assert!(paths(&nothing).is_empty());
    assert_eq!(nothing.data()["pagination"]["total"], 0);
}

#[tokio::test]
async fn pages_by_offset_cursor_and_node_cover_everything_once() {
    let server = populated().await;
    for query in [
        vec![],
        vec![("path", "a")],
        vec![("depth", "1")],
        vec![("kinds", "file")],
    ] {
        let all = paths(&server.get_in_mount("/v1/nodes", &query).await);
        for (key, parameter) in [
            ("nextOffset", "offset"),
            ("nextCursor", "cursor"),
            ("nextAfter", "after"),
        ] {
            let mut seen = Vec::new();
            let mut next: Option<String> = None;
            loop {
                let mut query = query.clone();
                query.push(("limit", "2"));
                if let Some(next) = &next {
                    query.push((parameter, next));
                }
                let page = server.get_in_mount("/v1/nodes", &query).await;
                seen.extend(paths(&page));
                match &page.data()["pagination"][key] {
                    Value::Null => break,
                    Value::String(at) => next = Some(at.clone()),
                    at => next = Some(at.to_string()),
                }
            }
            assert_eq!(seen, all, "{query:?} by {key}");
        }
    }
}

#[tokio::test]
async fn filters_narrow_the_listing() {
    let server = populated().await;
    let id = server.by_path("a/one").await.node_id();
    let metadata = format!("/v1/nodes/{id}/metadata");
    let set = json!({ "set": { "colour": "red", "n": 1 } });
    server.json(Method::PATCH, &metadata, set).await.data();
    std::fs::remove_file(server.root.join("a/two")).unwrap();
    server.scan().await;
    server.delete("a-side", false).await.data();

    for (query, expected) in [
        (
            vec![("kinds", "directory"), ("path", "a")],
            vec!["a/b", "a/b/c"],
        ),
        (vec![("states", "missing")], vec!["a/two"]),
        (vec![("states", "deleted")], vec!["a-side"]),
        (vec![("driftOnly", "true")], vec!["a/two"]),
        (vec![("search", "THREE")], vec!["a/b/three"]),
        (vec![("search", "%")], vec![]),
        (vec![("search", "_")], vec![]),
        (vec![("filters", r#"{"query":"four"}"#)], vec!["a/b/c/four"]),
        (
            vec![("filters", r#"{"size":{"min":25,"max":30}}"#)],
            vec!["a/b/three"],
        ),
        (
            vec![(
                "filters",
                r#"{"metadata":[{"key":"colour","value":"red"}]}"#,
            )],
            vec!["a/one"],
        ),
        (
            vec![("filters", r#"{"metadata":[{"key":"n","value":1}]}"#)],
            vec!["a/one"],
        ),
        (
            vec![("filters", r#"{"metadata":[{"key":"n","value":"1"}]}"#)],
            vec![],
        ),
        (
            vec![(
                "filters",
                r#"{"lastSeenAt":{"before":"2000-01-01T00:00:00Z"}}"#,
            )],
            vec![],
        ),
        (
            vec![
                (
                    "filters",
                    r#"{"lastSeenAt":{"after":"2000-01-01T00:00:00Z"}}"#,
                ),
                ("path", "ab"),
            ],
            vec!["ab/x"],
        ),
    ] {
        let answer = server.get_in_mount("/v1/nodes", &query).await;
        assert_eq!(paths(&answer), expected, "{query:?}");
        assert_eq!(
            answer.data()["pagination"]["total"],
            expected.len(),
            "{query:?}"
        );
    }
    // A missing node is listed where it was, and counted.
    let children = server
        .get_in_mount("/v1/nodes", &[("path", "a"), ("depth", "1")])
        .await;
    assert_eq!(paths(&children), ["a/b", "a/one", "a/two"]);
    assert_eq!(children.data()["pagination"]["total"], 3);
    assert_eq!(children.data()["filters"]["depth"], 1);
}

#[tokio::test]
async fn bad_questions_name_the_parameter() {
    let server = populated().await;
    for (query, pointer) in [
        ("states=odd", "/states"),
        ("kinds=odd", "/kinds"),
        ("limit=0", "/limit"),
        ("limit=100000", "/limit"),
        ("limit=many", "/limit"),
        ("depth=-1", "/depth"),
        ("after=99999", "/after"),
        ("filters=[", "/filters"),
        ("path=..", "/path"),
    ] {
        let answer = server
            .get(&format!(
                "/v1/nodes?backendMountId={}&{query}",
                server.mount
            ))
            .await;
        assert_eq!(answer.status.as_u16(), 400, "{query}: {answer:?}");
        assert_eq!(
            answer.body["errors"][0]["pointer"], pointer,
            "{query}: {answer:?}"
        );
    }
    let no_mount = server.get("/v1/nodes").await;
    assert_eq!(no_mount.body["errors"][0]["pointer"], "/backendMountId");
    assert_eq!(
        server.get("/v1/nodes?backendMountId=99").await.problem(),
        (404, "not_found")
    );
    assert_eq!(
        server.get("/v1/nodes/99999/children").await.problem(),
        (404, "not_found")
    );
    let path = "/v1/nodes/by-path?backendMountId=99&path=a";
    assert_eq!(server.get(path).await.problem(), (404, "not_found"));
}

#[tokio::test]
async fn a_node_shows_every_field_of_the_contract() {
    let server = populated().await;
    let root = server.by_path("/").await;
    let node = root.data().as_object().unwrap();
    for field in [
        "id",
        "backendMountId",
        "parentId",
        "path",
        "name",
        "depth",
        "kind",
        "sizeBytes",
        "checksum",
        "contentHash",
        "metadata",
        "state",
        "version",
        "isSymlink",
        "lastSeenAt",
        "lastModifiedAt",
        "consistencyState",
        "consistencyCheckedAt",
        "lastReconciledAt",
        "lastDriftDetectedAt",
        "createdAt",
        "updatedAt",
        "deletedAt",
        "rollup",
        "download",
    ] {
        assert!(node.contains_key(field), "{field}");
    }
    let rollup = &node["rollup"];
    assert_eq!(rollup["sizeBytes"], 106);
    assert_eq!(
        (
            &rollup["fileCount"],
            &rollup["directoryCount"],
            &rollup["childCount"]
        ),
        (&json!(7), &json!(5), &json!(5))
    );
    assert_eq!(rollup["state"], "up_to_date");
    let link = server.by_path("link").await;
    assert_eq!(link.data()["isSymlink"], true);
    assert_eq!(
        (&link.data()["kind"], &link.data()["sizeBytes"]),
        (&json!("file"), &json!(0))
    );
    assert_eq!(link.data()["rollup"], Value::Null);
    assert_eq!(link.data()["download"], Value::Null);
    let file = server.by_path("a/one").await;
    let stream = format!("/v1/files/{}/content", file.node_id());
    assert_eq!(file.data()["download"]["streamUrl"], stream);
}

/// Turns the pages of `path` by cursor, two at a time; `meanwhile` is done after the first.
async fn by_cursor(
    server: &Server,
    query: &[(&str, &str)],
    meanwhile: impl AsyncFn(),
) -> Vec<String> {
    let mut seen = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let mut query = query.to_vec();
        query.push(("limit", "2"));
        query.extend(cursor.as_ref().map(|cursor| ("cursor", cursor.as_str())));
        let page = server.get_in_mount("/v1/nodes", &query).await;
        seen.extend(paths(&page));
        if cursor.is_none() {
            meanwhile().await;
        }
        match page.data()["pagination"]["nextCursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return seen,
        }
    }
}

#[tokio::test]
async fn pages_by_cursor_neither_repeat_nor_skip_while_others_write() {
    for query in [
        vec![],
        vec![("depth", "1")],
        vec![("path", ""), ("depth", "2")],
    ] {
        let server = Server::start().await;
        for name in ["b", "c", "d", "e", "f"] {
            server.upload(name, "1").await.data();
        }
        let seen = by_cursor(&server, &query, async || {
            // The page that was seen ended with c. What is before it is not seen again, what is
            // behind it is seen once, and the last of the page may go anywhere.
            server.upload("a", "new, before").await.data();
            server.upload("cc", "new, behind").await.data();
            assert_eq!(server.delete("b", false).await.status, 200);
            assert_eq!(server.rename("c", "z").await.status, 200);
        });
        assert_eq!(
            seen.await,
            ["b", "c", "cc", "d", "e", "f", "z"],
            "{query:?}"
        );
        let seen = by_cursor(&server, &query, async || {
            // Now a and cc were seen.
            assert_eq!(server.delete("a", false).await.status, 200);
            assert_eq!(server.rename("cc", "0").await.status, 200);
        });
        assert_eq!(seen.await, ["a", "cc", "d", "e", "f", "z"], "{query:?}");
    }
}

#[tokio::test]
async fn a_page_begins_at_one_place_and_a_cursor_is_of_its_listing() {
    let server = populated().await;
    let first = server.get_in_mount("/v1/nodes", &[("limit", "2")]).await;
    let by_path = first.data()["pagination"]["nextCursor"]
        .as_str()
        .unwrap()
        .to_owned();
    let first = server.get_in_mount("/v1/nodes", &[("limit", "2"), ("depth", "1")]);
    let by_name = first.await.data()["pagination"]["nextCursor"]
        .as_str()
        .unwrap()
        .to_owned();
    for (query, pointer) in [
        (
            vec![("cursor", by_path.as_str()), ("offset", "2")],
            "/cursor",
        ),
        (
            vec![("cursor", by_path.as_str()), ("after", "2")],
            "/cursor",
        ),
        (vec![("after", "2"), ("offset", "2")], "/cursor"),
        (vec![("cursor", "nonsense")], "/cursor"),
        (vec![("cursor", "")], "/cursor"),
        (vec![("cursor", by_name.as_str())], "/cursor"),
        (
            vec![("cursor", by_path.as_str()), ("depth", "1")],
            "/cursor",
        ),
        (vec![("after", "999")], "/after"),
    ] {
        let answer = server.get_in_mount("/v1/nodes", &query).await;
        assert_eq!(answer.problem().0, 400, "{query:?}: {answer:?}");
        assert_eq!(answer.body["errors"][0]["pointer"], pointer, "{query:?}");
    }
}
