//! Usage from sums is usage from all rows.

mod model;

use crate::support::{Fixture, Tree};
use feed::rebuild::{Base, NewBook};
use feed::{Batch, Sink as _};
use journal::JournalId;
use serde_json::{Value, json};

/// How far the sums of a closed timestore go, and in how many segments.
fn summed(fixture: &Fixture) -> (i64, i64) {
    let path = fixture.dir.path().join("timestore.duckdb");
    let connection = duckdb::Connection::open(path).unwrap();
    let sql = "SELECT journal_id, (SELECT count(*) FROM tidemark.usage_segments) \
               FROM tidemark.usage_summed";
    let row = |row: &duckdb::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    connection.query_row(sql, [], row).unwrap()
}

async fn usage(fixture: &Fixture, question: &str) -> Vec<Value> {
    let answer = fixture.get(&format!("/filestore/usage?{question}")).await;
    answer.rows("rows")
}

/// So many files of a few sizes, a minute apart.
fn files(count: i64) -> Tree {
    let mut tree = Tree::new();
    for number in 0..count {
        tree.now = journal::Time::from_millis(tree.now.as_millis() + 60_000);
        tree.file(&format!("d/{number}.{}", number % 3), number * 1_000);
    }
    tree
}

/// Small segments.
fn fixture() -> Fixture {
    Fixture::with(|options| options.growth_tail_entries = 1)
}

#[tokio::test]
async fn the_answers_come_from_the_sums_and_integrity_compares_them_with_the_rows() {
    let fixture = fixture();
    files(25).apply_to(&fixture);
    let rows = usage(&fixture, "by=mount").await;
    fixture.timestore.sum_usage().unwrap();
    assert_eq!(usage(&fixture, "by=mount").await, rows);
    let then = "by=mount&at=2026-03-01T00:12:30Z";
    let rows_then = usage(&fixture, then).await;
    assert_eq!(rows_then[0]["files"], json!(12));
    let integrity = fixture.get("/filestore/integrity").await.json();
    assert_eq!(integrity["ok"], json!(true), "{integrity}");
    fixture.timestore.close();
    assert_eq!(summed(&fixture), (25, 5));

    let path = fixture.dir.path().join("timestore.duckdb");
    let connection = duckdb::Connection::open(path).unwrap();
    let wrong = "UPDATE tidemark.usage_sums SET size_bytes = size_bytes + 7 \
                 WHERE cell = 1";
    connection.execute_batch(wrong).unwrap();
    connection.close().unwrap();
    let fixture = Fixture::open(fixture.dir, |options| options.growth_tail_entries = 1);
    let more = |rows: &[Value], bytes: i64| json!(rows[0]["sizeBytes"].as_i64().unwrap() + bytes);
    assert_eq!(
        usage(&fixture, "by=mount").await[0]["sizeBytes"],
        more(&rows, 7)
    );
    assert_eq!(
        usage(&fixture, then).await[0]["sizeBytes"],
        more(&rows_then, 7)
    );
    let integrity = fixture.get("/filestore/integrity").await.json();
    assert_eq!(integrity["findings"][0]["part"], json!("usage_sums"));
}

#[tokio::test]
async fn a_replay_and_a_late_entry_leave_no_old_sums_behind() {
    let fixture = fixture();
    let plain = Fixture::new();
    let tree = files(25);
    let mut sink = tree.apply_to(&fixture);
    tree.apply_to(&plain);
    fixture.timestore.sum_usage().unwrap();
    let journal = &tree.journal;
    let events: Vec<_> = journal.entries[10..]
        .iter()
        .map(|entry| entry.event().unwrap())
        .collect();
    let items: Vec<_> = journal.entries[10..]
        .iter()
        .zip(&events)
        .map(|(entry, event)| feed::Item::of(entry, event))
        .collect();
    let after = JournalId::new(10);
    let new = NewBook {
        base: Base::Kept(after),
        checkpoint: journal.checkpoint(after),
        is_same_history: true,
    };
    let rebuild = sink.begin_rebuild(new).unwrap();
    // One of them is parked.
    let batch = Batch {
        items: &items[..14],
        parked: &[],
        resolved: &[],
        checkpoint: journal.checkpoint(journal.head()),
    };
    sink.fill_rebuild(&rebuild, &batch).unwrap();
    sink.finish_rebuild(&rebuild, journal.checkpoint(journal.head()))
        .unwrap();
    let question = "by=extension,size";
    assert_ne!(
        usage(&fixture, question).await,
        usage(&plain, question).await
    );
    fixture.timestore.sum_usage().unwrap();
    let late = Batch {
        items: &items[14..],
        ..batch
    };
    sink.apply(&late).unwrap();
    assert_eq!(
        usage(&fixture, question).await,
        usage(&plain, question).await
    );
    fixture.timestore.sum_usage().unwrap();
    assert_eq!(
        usage(&fixture, question).await,
        usage(&plain, question).await
    );
    fixture.timestore.close();
    assert_eq!(summed(&fixture).0, 25);
}

#[tokio::test]
async fn quantiles_of_the_size_are_the_means_of_their_classes() {
    let fixture = Fixture::new();
    let mut tree = Tree::new();
    for size in [0, 1_000, 1_010, 1_000_000] {
        tree.file(&format!("f{size}"), size);
    }
    tree.apply_to(&fixture);
    let rows = usage(&fixture, "by=mount").await;
    let found = ["p50Bytes", "p90Bytes", "p99Bytes"].map(|name| rows[0][name].clone());
    assert_eq!(found, [json!(1_005), json!(1_000_000), json!(1_000_000)]);
}
