//! Entries become rows exactly once.

use crate::support::{Fixture, Journal, Tree, apply, at, nodes};
use feed::{Begun, DeadLetter, Sink, SinkError};
use journal::JournalId;
use serde_json::json;

fn many(count: i64) -> Tree {
    let mut tree = Tree::new();
    for number in 0..count {
        tree.file(&format!("dir/file{number}"), number);
    }
    tree
}

#[tokio::test]
async fn an_empty_book_follows_no_journal() {
    let fixture = Fixture::new();
    let mut sink = fixture.timestore.sink();
    assert_eq!(sink.name(), "timestore");
    assert_eq!(sink.checkpoint().unwrap(), None);
    assert_eq!(sink.dead_letter_count().unwrap(), 0);
}

#[tokio::test]
async fn effects_and_checkpoint_survive_a_restart_together() {
    let fixture = Fixture::new();
    let tree = many(250);
    let mut sink = fixture.timestore.sink();
    for after in (0..250).step_by(50) {
        tree.journal.apply(&mut sink, after, after + 50).unwrap();
    }
    let fixture = fixture.reopened();
    let mut sink = fixture.timestore.sink();
    assert_eq!(
        sink.checkpoint().unwrap(),
        Some(tree.journal.checkpoint(tree.journal.head()))
    );
    assert_eq!(
        fixture.sql("SELECT count(*) AS n, count(DISTINCT journal_id) AS d, sum(size_delta) AS s FROM filestore_activity").await,
        vec![json!({"n": 250, "d": 250, "s": 250 * 249 / 2})]
    );
}

#[tokio::test]
async fn a_batch_that_comes_again_adds_nothing() {
    let fixture = Fixture::new();
    let tree = many(20);
    let mut sink = fixture.timestore.sink();
    tree.journal.apply(&mut sink, 0, 10).unwrap();
    tree.journal.apply(&mut sink, 0, 10).unwrap();
    // One that overlaps brings only what is new, and one from the past moves nothing back.
    tree.journal.apply(&mut sink, 5, 20).unwrap();
    tree.journal
        .apply(&mut fixture.timestore.sink(), 0, 10)
        .unwrap();
    assert_eq!(
        sink.checkpoint().unwrap(),
        Some(tree.journal.checkpoint(JournalId::new(20)))
    );
    let count = fixture
        .value("SELECT count(*) AS n FROM filestore_activity")
        .await;
    assert_eq!(count, json!(20));
}

#[tokio::test]
async fn batches_that_are_taken_before_the_last_has_committed_become_the_same_book() {
    let (fixture, one_by_one) = (Fixture::new(), Fixture::new());
    let tree = many(9_000);
    let mut sink = fixture.timestore.sink();
    for after in (0..9_000).step_by(3_000) {
        let begun = tree.journal.begin(&mut sink, after, after + 3_000);
        assert_eq!(begun.unwrap(), Begun::InFlight);
    }
    sink.land().unwrap();
    let stored = sink.checkpoint().unwrap();
    assert_eq!(stored, Some(tree.journal.checkpoint(JournalId::new(9_000))));
    tree.apply_to(&one_by_one);
    assert_eq!(
        fixture.timestore.content_digest().unwrap(),
        one_by_one.timestore.content_digest().unwrap()
    );
    let count = "SELECT count(*) AS n FROM filestore_activity";
    assert_eq!(fixture.value(count).await, json!(9_000));
}

#[tokio::test]
async fn a_batch_behind_one_that_failed_does_not_take_effect() {
    let fixture = Fixture::new();
    let tree = many(40);
    let mut sink = fixture.timestore.sink();
    tree.journal.apply(&mut sink, 0, 10).unwrap();
    // Another sink goes on meanwhile, so that what is in flight names a position of before.
    tree.journal
        .apply(&mut fixture.timestore.sink(), 10, 15)
        .unwrap();
    assert_eq!(
        tree.journal.begin(&mut sink, 10, 20).unwrap(),
        Begun::InFlight
    );
    let error = tree.journal.begin(&mut sink, 20, 30).unwrap_err();
    assert!(error.to_string().contains("cannot be written"), "{error}");
    sink.land().unwrap();
    let stored = sink.checkpoint().unwrap();
    assert_eq!(stored, Some(tree.journal.checkpoint(JournalId::new(15))));
    let count = "SELECT count(*) AS n FROM filestore_activity";
    assert_eq!(fixture.value(count).await, json!(15));
    tree.journal.begin(&mut sink, 15, 40).unwrap();
    // Whoever asks for the checkpoint is told after what is in flight.
    let stored = sink.checkpoint().unwrap();
    assert_eq!(stored, Some(tree.journal.checkpoint(JournalId::new(40))));
    assert_eq!(fixture.value(count).await, json!(40));
}

#[tokio::test]
async fn a_batch_of_another_journal_is_refused() {
    let fixture = Fixture::new();
    let (first, second) = (many(3), many(5));
    let mut sink = fixture.timestore.sink();
    first.journal.apply_all(&mut sink);
    let error = second.journal.apply(&mut sink, 3, 5).unwrap_err();
    assert!(matches!(error, SinkError::Damaged(..)), "{error}");
    assert_eq!(
        sink.checkpoint().unwrap(),
        Some(first.journal.checkpoint(JournalId::new(3)))
    );
}

#[tokio::test]
async fn a_second_sink_that_lost_the_race_takes_no_effect() {
    let fixture = Fixture::new();
    let tree = many(10);
    let (mut one, mut two) = (fixture.timestore.sink(), fixture.timestore.sink());
    tree.journal.apply(&mut one, 0, 5).unwrap();
    two.checkpoint().unwrap();
    tree.journal.apply(&mut one, 5, 10).unwrap();
    let error = tree.journal.apply(&mut two, 5, 10).unwrap_err();
    assert!(matches!(error, SinkError::Unavailable(..)), "{error}");
    // Asked again, it knows better.
    tree.journal.apply(&mut two, 5, 10).unwrap();
    let count = fixture
        .value("SELECT count(*) AS n FROM filestore_activity")
        .await;
    assert_eq!(count, json!(10));
}

#[tokio::test]
async fn dead_letters_are_parked_listed_retried_and_resolved() {
    let fixture = Fixture::new();
    let tree = many(3);
    let journal = &tree.journal;
    let mut sink = fixture.timestore.sink();
    let letter = DeadLetter {
        journal_id: JournalId::new(2),
        event_type: "filestore.node.uploaded".to_owned(),
        data: "{\"nul\":\"\\u0000\"}".to_owned(),
        reason: "it's poison".to_owned(),
        parked_at: at("2026-03-02T00:00:00Z"),
        attempts: 1,
    };
    let healthy = [journal.entries[0].clone(), journal.entries[2].clone()];
    let head = journal.checkpoint(journal.head());
    apply(
        &mut sink,
        &healthy,
        std::slice::from_ref(&letter),
        &[],
        head,
    )
    .unwrap();
    assert_eq!(
        sink.dead_letters(JournalId::ZERO, 10).unwrap(),
        vec![letter.clone()]
    );
    assert_eq!(sink.dead_letters(JournalId::new(2), 10).unwrap(), vec![]);
    assert_eq!(sink.dead_letter_count().unwrap(), 1);

    // A retry that fails parks it again with one more attempt.
    let again = DeadLetter {
        attempts: 2,
        ..letter
    };
    apply(&mut sink, &[], std::slice::from_ref(&again), &[], head).unwrap();
    assert_eq!(sink.dead_letters(JournalId::ZERO, 10).unwrap(), vec![again]);

    // One that works appends the row, once, in its place.
    for _ in 0..2 {
        let retried = [journal.entries[1].clone()];
        apply(&mut sink, &retried, &[], &[JournalId::new(2)], head).unwrap();
    }
    assert_eq!(sink.dead_letter_count().unwrap(), 0);
    assert_eq!(sink.checkpoint().unwrap(), Some(head));
    let ids = fixture
        .sql("SELECT journal_id FROM filestore_activity ORDER BY 1")
        .await;
    assert_eq!(
        ids,
        vec![
            json!({"journal_id": 1}),
            json!({"journal_id": 2}),
            json!({"journal_id": 3})
        ]
    );
}

#[tokio::test]
async fn an_older_entry_never_undoes_a_newer_state() {
    let fixture = Fixture::new();
    let mut tree = Tree::new();
    let id = tree.file("old", 10);
    tree.rename(id, "middle");
    tree.rename(id, "new");
    let mut sink = fixture.timestore.sink();
    let journal = &tree.journal;
    let head = journal.checkpoint(journal.head());
    let without = [journal.entries[0].clone(), journal.entries[2].clone()];
    apply(&mut sink, &without, &[], &[], head).unwrap();
    apply(&mut sink, &journal.entries[1..2], &[], &[], head).unwrap();
    let nodes = nodes(&fixture).await;
    assert_eq!(
        (
            nodes[0].path.as_str(),
            nodes[0].size_bytes,
            nodes[0].journal_id
        ),
        ("new", Some(10), journal.head())
    );
}

#[tokio::test]
async fn content_digests_tell_equal_books_from_others() {
    let (one, two, three) = (Fixture::new(), Fixture::new(), Fixture::new());
    let tree = many(30);
    two.clock.set("2030-01-01T00:00:00Z");
    tree.journal
        .apply(&mut one.timestore.sink(), 0, 30)
        .unwrap();
    let mut sink = two.timestore.sink();
    for after in 0..30 {
        tree.journal.apply(&mut sink, after, after + 1).unwrap();
    }
    tree.journal
        .apply(&mut three.timestore.sink(), 0, 29)
        .unwrap();
    let digest = |fixture: &Fixture| fixture.timestore.content_digest().unwrap();
    assert_eq!(digest(&one), digest(&two));
    assert_ne!(digest(&one), digest(&three));
    assert!(digest(&Fixture::new()).starts_with("0:"));
}

#[tokio::test]
async fn an_unknown_type_is_a_row_of_its_own_time() {
    let fixture = Fixture::new();
    let mut journal = Journal::new();
    journal.push("filestore.node.blessed", Some(7), 0, json!({"nodeId": 7}));
    journal.apply_all(&mut fixture.timestore.sink());
    assert_eq!(
        fixture.sql("SELECT observed_at, event_type, node_id, path, size_delta, version FROM filestore_activity").await,
        vec![json!({"observed_at": "2026-06-01T00:00:00.000Z", "event_type": "filestore.node.blessed",
            "node_id": 7, "path": null, "size_delta": null, "version": null})]
    );
}
