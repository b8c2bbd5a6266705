//! Growth and churn.

mod model;

use crate::support::{Fixture, Tree};
use serde_json::{Value, json};

#[tokio::test]
async fn a_move_between_mounts_leaves_one_and_arrives_in_the_other() {
    let fixture = Fixture::new();
    let mut tree = Tree::new();
    tree.at("2026-03-01T12:00:00Z");
    let id = tree.file("a/f", 10);
    tree.at("2026-03-02T12:00:00Z");
    tree.move_to(id, 2, "a/f");
    tree.apply_to(&fixture);
    let totals = async |question: &str| -> Vec<(Value, Value, Value)> {
        let path = format!("/filestore/growth?{question}");
        let series = fixture.get(&path).await.rows("series");
        let point = |it: &Value| {
            (
                it["totalBytes"].clone(),
                it["files"].clone(),
                it["changes"].clone(),
            )
        };
        series.iter().map(point).collect()
    };
    let point = |bytes: i64, files: i64, changes: i64| (json!(bytes), json!(files), json!(changes));
    assert_eq!(totals("mount=1").await, [point(10, 1, 1), point(0, 0, 1)]);
    assert_eq!(totals("mount=2").await, [point(10, 1, 1)]);
    assert_eq!(totals("mount=2&pathPrefix=a").await, [point(10, 1, 1)]);
    assert_eq!(totals("").await, [point(10, 1, 1), point(10, 1, 1)]);
    assert_eq!(
        totals("pathPrefix=a").await,
        [point(10, 1, 1), point(10, 1, 1)]
    );
    // It is a move for both mounts.
    for mount in [1, 2] {
        let churn = fixture
            .get(&format!("/filestore/churn?mount={mount}"))
            .await;
        assert_eq!(churn.rows("rows")[0]["moved"], json!(1), "{}", churn.text);
    }
}

#[tokio::test]
async fn a_prefix_is_of_whole_components_and_moves_cross_its_edge() {
    let fixture = Fixture::new();
    let mut tree = Tree::new();
    tree.at("2026-03-01T12:00:00Z");
    let inside = tree.file("a/b/in", 10);
    tree.file("a/bc", 1_000);
    let outside = tree.file("out", 7);
    tree.at("2026-03-02T12:00:00Z");
    tree.rename(inside, "elsewhere");
    tree.rename(outside, "a/b");
    tree.apply_to(&fixture);
    let point = |start: &str, added: i64, removed: i64, total: i64| {
        json!({"bucketStart": start, "group": null, "bytesAdded": added, "bytesRemoved": removed,
            "netBytes": added - removed, "totalBytes": total, "filesAdded": 1,
            "filesRemoved": i64::from(removed > 0), "files": 1, "changes": if removed > 0 { 2 } else { 1 }})
    };
    assert_eq!(
        fixture
            .get("/filestore/growth?pathPrefix=a/b")
            .await
            .rows("series"),
        vec![
            point("2026-03-01T00:00:00.000Z", 10, 0, 10),
            point("2026-03-02T00:00:00.000Z", 7, 10, 7)
        ]
    );
    let everything = fixture
        .get("/filestore/growth?from=2026-03-02T00:00:00Z")
        .await
        .rows("series");
    assert_eq!(everything[0]["totalBytes"], json!(1_017));
    assert_eq!(
        (&everything[0]["netBytes"], &everything[0]["files"]),
        (&json!(0), &json!(3))
    );
}

#[tokio::test]
async fn growth_comes_as_csv_and_bad_questions_are_named() {
    let fixture = Fixture::new();
    let mut tree = Tree::new();
    tree.file("a", 10);
    tree.apply_to(&fixture);
    let csv = fixture.get("/filestore/growth?format=csv").await;
    assert_eq!(
        csv.text,
        "bucketStart,group,bytesAdded,bytesRemoved,netBytes,totalBytes,filesAdded,filesRemoved,files,changes\r\n\
         2026-03-01T00:00:00.000Z,,10,0,10,10,1,0,1,1\r\n"
    );
    for (question, pointer) in [
        ("growth?bucket=year", "/bucket"),
        ("growth?groupBy=color", "/groupBy"),
        ("growth?from=noon", "/from"),
        (
            "growth?from=2026-03-02T00:00:00Z&to=2026-03-01T00:00:00Z",
            "/to",
        ),
        ("growth?mount=one", "/mount"),
        ("growth?pathPrefix=a/../b", "/pathPrefix"),
        ("growth?groupBy=prefix&depth=0", "/depth"),
        ("growth?limit=0", "/limit"),
        ("growth?limit=10001", "/limit"),
        ("churn?order=alphabet", "/order"),
        ("churn?groupBy=mount", "/groupBy"),
        ("churn?limit=1001", "/limit"),
        ("top?by=name", "/by"),
        ("as-of", "/at"),
        ("nodes/x/timeline", "/id"),
    ] {
        let answer = fixture.get(&format!("/filestore/{question}")).await;
        assert_eq!(
            (answer.problem().0, answer.problem().2),
            (400, pointer.to_owned()),
            "{question}: {}",
            answer.text
        );
    }
}

#[tokio::test]
async fn sizes_beyond_64_bits_are_exact_and_heal() {
    const HUGE: i64 = 6 << 60;
    for tail in [1, 1_000_000] {
        let fixture = Fixture::with(|options| options.growth_tail_entries = tail);
        let mut tree = Tree::new();
        let files = [tree.file("a/one", HUGE), tree.file("a/two", HUGE)];
        tree.at("2026-03-02T00:00:00Z")
            .move_to(files[0], 2, "b/one");
        let mut sink = tree.apply_to(&fixture);
        let both = (i128::from(HUGE) * 2).to_string();
        let series = fixture.get("/filestore/growth").await.rows("series");
        assert_eq!(series[0]["totalBytes"], json!(both));
        assert_eq!(series[0]["bytesAdded"], json!(both));
        let one = fixture
            .get("/filestore/growth?mount=2")
            .await
            .rows("series");
        assert_eq!(one[0]["totalBytes"], json!(HUGE), "64 bits are a number");
        for path in [
            "/filestore/growth?pathPrefix=a",
            "/filestore/growth?groupBy=prefix",
        ] {
            assert_eq!(fixture.get(path).await.status, 200, "{path}");
        }
        let top = fixture.get("/filestore/top").await.rows("rows");
        assert_eq!(top[0]["sizeBytes"], json!(HUGE));
        let churn = fixture.get("/filestore/churn").await.rows("rows");
        assert!(
            churn.iter().any(|row| row["bytesWritten"] == json!(both)),
            "{churn:?}"
        );
        let tree_then = fixture
            .get("/filestore/as-of?at=2026-03-01T12:00:00Z")
            .await
            .json();
        assert_eq!(tree_then["sizeBytes"], json!(both));
        assert_eq!(tree_then["nodes"][0]["sizeBytes"], json!(HUGE));
        assert_eq!(
            crate::support::nodes(&fixture).await[0].size_bytes,
            Some(HUGE)
        );

        let before = tree.journal.head().get();
        for id in files {
            tree.at("2026-03-03T00:00:00Z").delete(id);
        }
        tree.journal
            .apply(&mut sink, before, tree.journal.head().get())
            .unwrap();
        let series = fixture.get("/filestore/growth").await.rows("series");
        assert_eq!(series.last().unwrap()["totalBytes"], json!(0));
        assert_eq!(series.last().unwrap()["bytesRemoved"], json!(both));
        assert!(crate::support::nodes(&fixture).await.is_empty());
    }
}
