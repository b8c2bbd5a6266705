//! Pages neither repeat nor skip, whatever is written between them.

use crate::support::{Fixture, Tree};
use serde_json::{Value, json};

/// All pages of two rows each; `between` writes after the first one.
async fn pages(fixture: &Fixture, path: &str, rows: &str, between: impl FnOnce()) -> Vec<Value> {
    let mut between = Some(between);
    let join = if path.contains('?') { '&' } else { '?' };
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let answer = fixture.get(&format!("{path}{join}limit=2{cursor}")).await;
        all.extend(answer.rows(rows));
        match answer.json()["nextCursor"].as_str() {
            Some(next) => {
                assert_eq!(answer.headers["tidemark-next-cursor"], next);
                cursor = format!("&cursor={next}");
            }
            None => return all,
        }
        if let Some(between) = between.take() {
            between();
        }
    }
}

fn column(rows: &[Value], name: &str) -> Vec<Value> {
    rows.iter().map(|row| row[name].clone()).collect()
}

/// Seven files in two mounts, two of them at the same path.
fn tree() -> Tree {
    let mut tree = Tree::new();
    for (number, path) in ["a", "b", "c", "d", "e"].into_iter().enumerate() {
        tree.principal = (number % 2 == 0).then(|| format!("p{number}"));
        tree.file(path, 100 * (i64::try_from(number).unwrap() / 2));
    }
    (tree.mount, tree.principal) = (2, Some("p4".to_owned()));
    tree.file("b", 50);
    tree.file("d", 50);
    tree
}

#[tokio::test]
async fn rankings_stay_as_they_were_on_the_first_page() {
    for (path, name, expected) in [
        ("/filestore/top", "nodeId", json!([5, 3, 4, 6, 7, 1, 2])),
        (
            "/filestore/churn?groupBy=node",
            "group",
            json!(["a", "b", "b", "c", "d", "d", "e"]),
        ),
        (
            "/filestore/churn?groupBy=principal&order=bytesWritten",
            "group",
            json!(["p4", "p2", null, "p0"]),
        ),
    ] {
        let fixture = Fixture::new();
        let mut tree = tree();
        tree.principal = None;
        let mut sink = tree.apply_to(&fixture);
        let got = pages(&fixture, path, "rows", || {
            let before = tree.journal.head().get();
            let id = tree.file("new", 1_000_000);
            tree.rewrite(id, 2_000_000);
            tree.rewrite(1, 900);
            tree.rename(2, "zzz");
            let head = tree.journal.head().get();
            tree.journal.apply(&mut sink, before, head).unwrap();
        })
        .await;
        assert_eq!(json!(column(&got, name)), expected, "{path}");
        let first = fixture.get(path).await.rows("rows");
        assert_ne!(json!(column(&first, name)), expected, "{path}");
    }
}

#[tokio::test]
async fn every_listing_gives_each_row_once() {
    let fixture = Fixture::new();
    let mut tree = tree();
    tree.at("2026-03-02T00:00:00Z").lose(1);
    tree.at("2026-03-03T00:00:00Z").find(1, "a");
    tree.at("2026-03-04T00:00:00Z").lose(2);
    tree.apply_to(&fixture);
    let whole = |path: &'static str, rows: &'static str| {
        let fixture = &fixture;
        async move { fixture.get(path).await.rows(rows) }
    };
    for (path, rows) in [
        ("/filestore/top", "rows"),
        ("/filestore/top?by=untouched", "rows"),
        (
            "/filestore/top?by=growing&from=2026-01-01T00:00:00Z",
            "rows",
        ),
        ("/filestore/churn?groupBy=node", "rows"),
        ("/filestore/churn?groupBy=node&order=bytesWritten", "rows"),
        ("/filestore/churn?groupBy=principal", "rows"),
        ("/filestore/churn?groupBy=command", "rows"),
        ("/filestore/nodes/1/timeline", "rows"),
        ("/filestore/as-of?at=2026-03-03T12:00:00Z", "nodes"),
        ("/filestore/reconciliation", "rows"),
    ] {
        let expected = whole(path, rows).await;
        assert!(expected.len() >= 2, "{path}: {expected:?}");
        assert_eq!(pages(&fixture, path, rows, || {}).await, expected, "{path}");
    }
    // Of two mounts that have the same path, no node is left out.
    let nodes = pages(
        &fixture,
        "/filestore/as-of?at=2026-03-03T12:00:00Z",
        "nodes",
        || {},
    )
    .await;
    assert_eq!(
        json!(column(&nodes, "path")),
        json!(["a", "b", "b", "c", "d", "d", "e"])
    );
    let wrong = fixture.get("/filestore/top?cursor=00").await;
    assert_eq!(wrong.problem().2, "/cursor");
}
