//! Questions about files of several users.

use crate::support::{Fixture, Tree, column};
use serde_json::{Value, json};

/// Files of two users, one of which gets the other's; in March a day a step.
fn owned() -> Tree {
    let mut tree = Tree::new();
    let owner = |tree: &mut Tree, uid: u32, user: Option<&str>, allocated: i64| {
        let facts = json!({
            "uid": uid, "gid": 100, "user": user, "group": "users", "mode": 0o640,
            "fileType": "regular", "links": 1, "allocatedBytes": allocated,
            "changedAt": tree.now,
        });
        tree.facts = facts.as_object().unwrap().clone();
    };
    tree.at("2026-03-01T12:00:00Z");
    owner(&mut tree, 1000, Some("ada"), 4096);
    let report = tree.file("d/report.PDF", 1_000);
    tree.file("d/notes.txt", 10);
    owner(&mut tree, 2000, None, 8192);
    tree.file("e/data.bin", 5_000);
    tree.at("2026-03-02T12:00:00Z");
    owner(&mut tree, 2000, None, 4096);
    let before = json!({
        "changed": ["uid"], "previousUid": 1000, "previousUser": "ada", "previousGid": 100,
        "previousGroup": "users",
    });
    tree.facts.extend(before.as_object().unwrap().clone());
    tree.rewrite(report, 1_000);
    tree
}

#[tokio::test]
async fn usage_tells_whose_the_bytes_are_now_and_at_a_time() {
    let fixture = Fixture::new();
    owned().apply_to(&fixture);
    let usage = |question: &'static str| {
        let fixture = &fixture;
        async move {
            let rows = fixture.get(&format!("/filestore/usage?{question}")).await;
            rows.rows("rows")
        }
    };
    let picked = |rows: &[Value], names: &[&str]| -> Vec<Vec<Value>> {
        let row = |row: &Value| names.iter().map(|name| row[*name].clone()).collect();
        rows.iter().map(row).collect()
    };
    let shown = ["user", "sizeBytes", "allocatedBytes", "files"];
    let now = usage("by=user").await;
    assert_eq!(
        picked(&now, &shown),
        [
            vec![json!("2000"), json!(6_000), json!(12_288), json!(2)],
            vec![json!("ada"), json!(10), json!(4_096), json!(1)],
        ]
    );
    let then = usage("by=user&at=2026-03-01T23:00:00Z").await;
    assert_eq!(
        picked(&then, &shown),
        [
            vec![json!("2000"), json!(5_000), json!(8_192), json!(1)],
            vec![json!("ada"), json!(1_010), json!(8_192), json!(2)],
        ]
    );
    assert_eq!(
        usage("by=user&at=2026-02-01T00:00:00Z").await,
        [] as [Value; 0]
    );
    let both = usage("by=user,extension&pathPrefix=d").await;
    assert_eq!(
        picked(&both, &["user", "extension", "sizeBytes"]),
        [
            vec![json!("2000"), json!("pdf"), json!(1_000)],
            vec![json!("ada"), json!("txt"), json!(10)],
        ]
    );
    let sizes = usage("by=size").await;
    assert_eq!(
        picked(&sizes, &["size", "files"]),
        [
            vec![json!("4 to 64 KiB"), json!(1)],
            vec![json!("under 4 KiB"), json!(2)],
        ]
    );
    let ages = usage("by=age&at=2026-03-04T00:00:00Z").await;
    assert_eq!(
        picked(&ages, &["age", "files", "oldest", "newest"]),
        [vec![
            json!("1 to 7 days"),
            json!(3),
            json!("2026-03-01T12:00:00.000Z"),
            json!("2026-03-02T12:00:00.000Z")
        ]]
    );
    let prefixes = usage("by=prefix").await;
    assert_eq!(picked(&prefixes, &["prefix"]), [[json!("e")], [json!("d")]]);
    let kinds = usage("by=fileType,group").await;
    assert_eq!(
        picked(&kinds, &["fileType", "group", "files"]),
        [vec![json!("regular"), json!("users"), json!(3)]]
    );
}

#[tokio::test]
async fn usage_tells_what_nobody_has_read_and_the_activity_what_else_was_told() {
    let mut tree = Tree::new();
    let fixture = Fixture::new();
    let facts = |facts: Value| facts.as_object().unwrap().clone();
    tree.at("2026-03-01T12:00:00Z");
    tree.file("unknown", 1);
    tree.facts = facts(json!({ "accessedAt": "2024-01-01T00:00:00Z" }));
    tree.file("old", 10);
    let read = tree.file("read", 100);
    tree.facts = facts(json!({ "linkTarget": "../a \"b\"", "objectTags": { "class": "x" } }));
    let link = tree.file("link", 0);
    tree.at("2026-03-02T12:00:00Z");
    tree.facts = facts(json!({
        "accessedAt": "2026-03-02T06:00:00Z", "changed": ["accessedAt"],
    }));
    tree.rewrite(read, 100);
    tree.apply_to(&fixture);
    let at = "by=accessed&at=2026-03-02T12:00:00Z";
    let usage = fixture.get(&format!("/filestore/usage?{at}")).await;
    let shown: Vec<_> = usage
        .rows("rows")
        .iter()
        .map(|row| (row["accessed"].clone(), row["sizeBytes"].clone()))
        .collect();
    assert_eq!(
        shown,
        [
            (json!("under 1 day"), json!(100)),
            (json!("2 to 5 years"), json!(10)),
            (Value::Null, json!(1)),
        ]
    );
    let by_both = fixture
        .get("/filestore/usage?by=accessed,user&pathPrefix=read")
        .await;
    assert_eq!(by_both.rows("rows").len(), 1, "{}", by_both.text);
    let sql = format!(
        "SELECT metadata_json::JSON->>'linkTarget' AS target, \
         metadata_json::JSON->'objectTags'->>'class' AS class \
         FROM filestore_activity WHERE node_id = {link}"
    );
    let told = fixture.sql(&sql).await;
    assert_eq!(told, [json!({ "target": "../a \"b\"", "class": "x" })]);
}

#[tokio::test]
async fn usage_pages_by_cursor_and_refuses_what_it_does_not_know_by_name() {
    let fixture = Fixture::new();
    owned().apply_to(&fixture);
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = fixture
            .get(&format!("/filestore/usage?by=extension&limit=1{cursor}"))
            .await
            .json();
        seen.push(page["rows"][0]["extension"].clone());
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, [json!("bin"), json!("pdf"), json!("txt")]);
    for (question, pointer) in [
        ("by=owner", "/by"),
        ("by=user,user", "/by"),
        ("by=user,group,mount", "/by"),
        ("by=user&depth=2", "/depth"),
        ("by=user&from=2026-03-01T00:00:00Z", "/from"),
        ("by=user&limit=0", "/limit"),
    ] {
        let answer = fixture.get(&format!("/filestore/usage?{question}")).await;
        assert_eq!(answer.status, 400, "{question}: {}", answer.text);
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{question}");
    }
}

#[tokio::test]
async fn duplicates_are_files_of_one_hash_and_not_names_of_one_file() {
    let fixture = Fixture::new();
    let mut tree = Tree::new();
    let with = |tree: &mut Tree, hash: &str, links: u32| {
        let facts = json!({ "contentHash": format!("blake3:{hash}"), "links": links });
        tree.facts = facts.as_object().unwrap().clone();
    };
    tree.at("2026-03-02T12:00:00Z");
    with(&mut tree, "aa", 1);
    tree.file("b/copy", 100);
    tree.at("2026-03-01T12:00:00Z");
    tree.file("a/first", 100);
    with(&mut tree, "bb", 2);
    tree.file("a/linked", 1_000);
    tree.file("b/linked", 1_000);
    with(&mut tree, "cc", 1);
    tree.file("alone", 5_000);
    tree.facts.clear();
    tree.file("unknown", 100);
    tree.at("2026-03-03T12:00:00Z");
    with(&mut tree, "aa", 1);
    tree.file("c/copy", 100);
    tree.apply_to(&fixture);
    let rows = |question: &'static str| {
        let fixture = &fixture;
        async move {
            let answer = fixture
                .get(&format!("/filestore/duplicates?{question}"))
                .await;
            answer.rows("rows")
        }
    };
    assert_eq!(
        rows("").await,
        [json!({
            "contentHash": "blake3:aa", "sizeBytes": 100, "copies": 3, "savedBytes": 200,
            "oldestPath": "a/first", "oldestModifiedAt": "2026-03-01T12:00:00.000Z",
            "paths": ["a/first", "b/copy", "c/copy"],
        })]
    );
    let then = rows("at=2026-03-02T23:00:00Z").await;
    assert_eq!(column(&then, "copies"), [json!(2)]);
    assert_eq!(rows("pathPrefix=b").await, [] as [Value; 0]);
}

#[tokio::test]
async fn bytes_of_a_file_that_gets_another_owner_go_from_one_and_come_to_the_other() {
    let fixture = Fixture::new();
    let mut tree = owned();
    tree.at("2026-03-03T12:00:00Z");
    tree.facts.clear();
    let facts = json!({ "uid": 2000, "gid": 100, "group": "users" });
    tree.facts.extend(facts.as_object().unwrap().clone());
    tree.rename(3, "e/data.TXT");
    tree.apply_to(&fixture);
    let series = |question: &'static str| {
        let fixture = &fixture;
        async move {
            let answer = fixture
                .get(&format!("/filestore/growth?bucket=day&{question}"))
                .await;
            let rows = answer.rows("series");
            let names = ["bucketStart", "group", "netBytes", "totalBytes", "files"];
            let row = |row: &Value| {
                let day = row["bucketStart"].as_str().unwrap()[8..10].to_owned();
                let rest = names[1..].iter().map(|name| row[*name].clone());
                [json!(day)].into_iter().chain(rest).collect::<Vec<_>>()
            };
            rows.iter().map(row).collect::<Vec<_>>()
        }
    };
    let users = [
        json!(["01", "2000", 5_000, 5_000, 1]),
        json!(["01", "ada", 1_010, 1_010, 2]),
        json!(["02", "2000", 1_000, 6_000, 2]),
        json!(["02", "ada", -1_000, 10, 1]),
        json!(["03", "2000", 0, 6_000, 2]),
    ];
    assert_eq!(json!(series("groupBy=user").await), json!(users));
    let extensions = [
        json!(["01", "bin", 5_000, 5_000, 1]),
        json!(["01", "pdf", 1_000, 1_000, 1]),
        json!(["01", "txt", 10, 10, 1]),
        json!(["02", "pdf", 0, 1_000, 1]),
        json!(["03", "bin", -5_000, 0, 0]),
        json!(["03", "txt", 5_000, 5_010, 2]),
    ];
    assert_eq!(json!(series("groupBy=extension").await), json!(extensions));
    let inside = [
        json!(["01", "2000", 5_000, 5_000, 1]),
        json!(["03", "2000", 0, 5_000, 1]),
    ];
    assert_eq!(
        json!(series("groupBy=user&pathPrefix=e").await),
        json!(inside)
    );
    let churn = fixture.get("/filestore/churn?groupBy=extension").await;
    let groups = column(&churn.rows("rows"), "group");
    assert!(groups.contains(&json!("pdf")) && groups.contains(&json!("txt")));
}
