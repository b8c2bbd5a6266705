//! What else the activity tells.

use crate::support::{Fixture, Tree, column, nodes};
use serde_json::{Value, json};

/// A small history, a day a step.
fn history() -> Tree {
    let mut tree = Tree::new();
    tree.at("2026-03-01T12:00:00Z");
    tree.create("d", false, 0);
    let big = tree.file("d/big", 1_000);
    let small = tree.file("d/small", 10);
    tree.principal = Some("ann".to_owned());
    tree.at("2026-03-02T12:00:00Z").rewrite(small, 500);
    tree.at("2026-03-03T12:00:00Z").rename(big, "moved");
    tree.at("2026-03-04T12:00:00Z").rewrite(small, 600);
    let gone = tree.file("d/gone", 50);
    tree.at("2026-03-05T12:00:00Z").delete(gone);
    tree
}

#[tokio::test]
async fn the_files_that_stand_out_are_found() {
    let fixture = Fixture::new();
    history().apply_to(&fixture);
    let top = |question: &'static str| {
        let fixture = &fixture;
        async move {
            fixture
                .get(&format!("/filestore/top?{question}"))
                .await
                .rows("rows")
        }
    };
    let largest = top("by=largest").await;
    assert_eq!(column(&largest, "path"), [json!("moved"), json!("d/small")]);
    assert_eq!(column(&largest, "sizeBytes"), [json!(1_000), json!(600)]);
    assert_eq!(
        column(&top("pathPrefix=d").await, "path"),
        [json!("d/small")]
    );
    let growing = top("by=growing&from=2026-03-02T00:00:00Z&to=2026-03-04T00:00:00Z").await;
    assert_eq!(column(&growing, "path"), [json!("d/small")]);
    assert_eq!(column(&growing, "grownBytes"), [json!(490)]);
    let untouched = top("by=untouched&limit=1").await;
    assert_eq!(
        untouched[0]["modifiedAt"],
        json!("2026-03-03T12:00:00.000Z")
    );
    let cut = fixture.get("/filestore/top?limit=1").await.json();
    assert_eq!(cut["truncated"], json!(true));
}

#[tokio::test]
async fn directories_hold_what_is_below_them_down_to_a_depth() {
    let fixture = Fixture::new();
    let mut tree = Tree::new();
    tree.at("2026-03-01T12:00:00Z");
    tree.file("top", 9_000);
    tree.file("a/one", 100);
    let deep = tree.file("a/b/c/two", 1_000);
    tree.file("a/b/three", 10);
    let other = tree.file("x/four", 5_000);
    tree.mount = 2;
    tree.file("a/elsewhere", 7);
    tree.mount = 1;
    tree.at("2026-03-02T12:00:00Z").rewrite(deep, 1_500);
    tree.at("2026-03-03T12:00:00Z").rename(other, "a/b/four");
    tree.apply_to(&fixture);
    let top = async |question: &str| -> Value {
        let path = format!("/filestore/top?of=directories&{question}");
        let rows = fixture.get(&path).await.rows("rows");
        let names = ["path", "backendMountId", "sizeBytes", "grownBytes", "files"];
        let row = |row: &Value| json!(names.map(|name| row[name].clone()));
        rows.iter().map(row).collect()
    };
    assert_eq!(
        top("").await,
        json!([["a", 1, 6_610, 6_610, 4], ["a", 2, 7, 7, 1]])
    );
    assert_eq!(
        top("mount=1&depth=3").await,
        json!([
            ["a", 1, 6_610, 6_610, 4],
            ["a/b", 1, 6_510, 6_510, 3],
            ["a/b/c", 1, 1_500, 1_500, 1]
        ])
    );
    assert_eq!(
        top("pathPrefix=a&depth=1&from=2026-03-02T00:00:00Z").await,
        json!([["a/b", 1, 6_510, 5_500, 3]])
    );
    // What moved in grew it, and what it moved out of shrank.
    assert_eq!(
        top("by=growing&depth=2&from=2026-03-03T00:00:00Z").await,
        json!([["a", 1, 6_610, 5_000, 4], ["a/b", 1, 6_510, 5_000, 3]])
    );
    assert_eq!(
        top("by=untouched&limit=1").await,
        json!([["a", 2, 7, 7, 1]])
    );
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/filestore/top?of=directories&depth=9&limit=1{cursor}");
        let page = fixture.get(&path).await.json();
        seen.push(page["rows"][0]["path"].clone());
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(json!(seen), json!(["a", "a/b", "a/b/c", "a"]));
    let wrong = fixture.get("/filestore/top?depth=2").await;
    assert_eq!(
        (wrong.problem().0, wrong.problem().2),
        (400, "/depth".to_owned())
    );
}

#[tokio::test]
async fn churn_is_told_by_node_principal_and_command() {
    let fixture = Fixture::new();
    history().apply_to(&fixture);
    let churn = |question: &'static str| {
        let fixture = &fixture;
        async move {
            fixture
                .get(&format!("/filestore/churn?{question}"))
                .await
                .rows("rows")
        }
    };
    let nodes = churn("groupBy=node&order=rewritten&limit=1").await;
    assert_eq!(
        (&nodes[0]["group"], &nodes[0]["nodeId"]),
        (&json!("d/small"), &json!(3))
    );
    assert_eq!(
        (&nodes[0]["rewritten"], &nodes[0]["bytesWritten"]),
        (&json!(2), &json!(1_110))
    );
    let people = churn("groupBy=principal&order=deleted").await;
    assert_eq!(column(&people, "group"), [json!("ann"), json!(null)]);
    assert_eq!(column(&people, "deleted"), [json!(1), json!(0)]);
    let commands = churn("groupBy=command&order=moved").await;
    assert_eq!(
        (&commands[0]["group"], &commands[0]["moved"]),
        (&json!("moveNode"), &json!(1))
    );
    // A move out of the prefix is a change in it.
    let below = churn("pathPrefix=d&groupBy=command&order=moved").await;
    assert_eq!(below[0]["moved"], json!(1));
}

#[tokio::test]
async fn a_nodes_timeline_is_everything_that_happened_to_it() {
    let fixture = Fixture::new();
    history().apply_to(&fixture);
    let rows = fixture
        .get("/filestore/nodes/2/timeline")
        .await
        .rows("rows");
    assert_eq!(
        column(&rows, "eventType"),
        [
            json!("filestore.node.uploaded"),
            json!("filestore.node.moved")
        ]
    );
    assert_eq!(column(&rows, "previousPath"), [json!(null), json!("d/big")]);
    assert_eq!(column(&rows, "principal"), [json!(null), json!("ann")]);
    let first = rows[0]["journalId"].as_u64().unwrap();
    let later = fixture
        .get(&format!("/filestore/nodes/2/timeline?after={first}"))
        .await
        .rows("rows");
    assert_eq!(later.len(), 1);
    assert!(
        fixture
            .get("/filestore/nodes/99/timeline")
            .await
            .rows("rows")
            .is_empty()
    );
}

#[tokio::test]
async fn the_past_is_told_as_it_was() {
    let fixture = Fixture::new();
    let mut tree = history();
    // The clock goes back: the later entry wins from its own time on.
    tree.at("2026-03-02T18:00:00Z").rename(3, "d/tiny");
    tree.apply_to(&fixture);
    let as_of = |question: &'static str| {
        let fixture = &fixture;
        async move {
            let json = fixture
                .get(&format!("/filestore/as-of?{question}"))
                .await
                .json();
            let paths: Vec<String> = json["nodes"]
                .as_array()
                .unwrap_or_else(|| panic!("{json}"))
                .iter()
                .map(|node| node["path"].as_str().unwrap().to_owned())
                .collect();
            (
                paths.join(" "),
                json["sizeBytes"].clone(),
                json["files"].clone(),
                json["directories"].clone(),
            )
        }
    };
    assert_eq!(
        as_of("at=2026-02-01T00:00:00Z").await,
        (String::new(), json!(0), json!(0), json!(0))
    );
    assert_eq!(
        as_of("at=2026-03-01T12:00:00Z").await,
        (
            "d d/big d/small".to_owned(),
            json!(1_010),
            json!(2),
            json!(1)
        )
    );
    assert_eq!(
        as_of("at=2026-03-02T12:00:00Z&pathPrefix=d").await,
        (
            "d d/big d/small".to_owned(),
            json!(1_500),
            json!(2),
            json!(1)
        )
    );
    assert_eq!(
        as_of("at=2026-03-04T12:00:00Z").await,
        (
            "d d/gone d/tiny moved".to_owned(),
            json!(1_650),
            json!(3),
            json!(1)
        )
    );
    assert_eq!(
        as_of("at=2026-06-01T00:00:00Z&limit=2&after=d").await,
        ("d/tiny moved".to_owned(), json!(1_600), json!(2), json!(1))
    );
}

#[tokio::test]
async fn the_past_is_found_behind_many_that_are_gone() {
    let fixture = Fixture::new();
    let mut tree = Tree::new();
    tree.at("2026-03-01T12:00:00Z");
    let gone: Vec<i64> = (0..200)
        .map(|number| tree.file(&format!("a/{number:03}"), 1))
        .collect();
    let moved = tree.file("a/moved", 1);
    for path in ["b", "c", "d"] {
        tree.file(path, 7);
    }
    tree.at("2026-03-02T12:00:00Z").rename(moved, "z");
    gone.into_iter().for_each(|id| tree.delete(id));
    tree.apply_to(&fixture);
    let url = "/filestore/as-of?at=2026-03-03T00:00:00Z";
    for (question, paths, is_cut) in [
        ("&limit=1", vec!["b"], true),
        ("&limit=1&after=a/100", vec!["b"], true),
        ("&limit=2&after=b", vec!["c", "d"], true),
        ("&limit=3&after=b", vec!["c", "d", "z"], false),
        ("&limit=9&after=z", vec![], false),
        ("&limit=9&pathPrefix=a", vec![], false),
    ] {
        let answer = fixture.get(&format!("{url}{question}")).await.json();
        let found = column(answer["nodes"].as_array().unwrap(), "path");
        assert_eq!(found, paths, "{question}");
        assert_eq!(answer["truncated"], json!(is_cut), "{question}");
    }
}

#[tokio::test]
async fn reconciliation_is_told_by_day() {
    let fixture = Fixture::new();
    let mut tree = Tree::new();
    for (event, duration) in [("completed", 100), ("completed", 300), ("failed", 5)] {
        tree.journal.push(
            &format!("filestore.reconciliation.job.{event}"),
            None,
            0,
            json!({"id": 1, "jobKey": "k", "backendMountId": 1, "nodeId": null, "path": "a",
                "reason": "audit", "status": "succeeded", "detectChildren": true,
                "requestedHash": false, "attempt": 1, "result": null, "error": null,
                "enqueuedAt": "2026-03-01T11:00:00.000Z", "startedAt": null, "completedAt": null,
                "durationMs": duration, "updatedAt": "2026-03-01T12:00:00.000Z"}),
        );
    }
    tree.file("not counted", 1);
    tree.apply_to(&fixture);
    assert_eq!(
        fixture.get("/filestore/reconciliation").await.rows("rows"),
        vec![
            json!({"bucketStart": "2026-03-01T00:00:00.000Z", "driftDetected": 0,
            "nodesReconciled": 0, "nodesMissing": 0, "jobsCompleted": 2, "jobsFailed": 1,
            "jobsCancelled": 0, "averageDurationMs": 200.0, "p95DurationMs": 290.0})
        ]
    );
    assert!(
        fixture
            .get("/filestore/reconciliation?pathPrefix=b")
            .await
            .rows("rows")
            .is_empty()
    );
}

#[tokio::test]
async fn the_nodes_are_listed_for_whoever_compares_books() {
    let fixture = Fixture::new();
    let empty = fixture.get("/filestore/nodes").await;
    assert_eq!(
        (empty.text.as_str(), &empty.headers["tidemark-journal-id"]),
        ("", &"0".parse().unwrap())
    );
    let tree = history();
    tree.apply_to(&fixture);
    let answer = fixture.get("/filestore/nodes").await;
    let head = tree.journal.head();
    assert_eq!(answer.headers["tidemark-journal-id"], head.to_string());
    assert_eq!(
        answer.headers["tidemark-digest"],
        tree.journal.digest(head).to_string()
    );
    assert_eq!(
        answer.headers["tidemark-epoch"],
        tree.journal.epoch.to_string()
    );
    let all = nodes(&fixture).await;
    assert_eq!(all.len(), 3, "the deleted one is not there");
    for node in &all {
        let expected = &tree.nodes[&node.node_id];
        assert_eq!(node.path, expected.path);
        assert_eq!(node.size_bytes, Some(expected.size));
        assert_eq!(
            (node.journal_id, node.version),
            (expected.last, expected.version)
        );
    }
    let page = fixture.get("/filestore/nodes?after=1&limit=1").await;
    assert_eq!(page.text.lines().count(), 1);
    assert!(page.text.starts_with("{\"nodeId\":2,"), "{}", page.text);
}

#[tokio::test]
async fn many_nodes_are_streamed_in_order() {
    let fixture = Fixture::new();
    let mut tree = Tree::new();
    for number in 0..20_000 {
        tree.file(
            &format!("dir{}/a file with a longer name {number}", number % 100),
            number,
        );
    }
    tree.apply_to(&fixture);
    let all = nodes(&fixture).await;
    assert_eq!(all.len(), 20_000);
    assert!(all.windows(2).all(|pair| pair[0].node_id < pair[1].node_id));
}
