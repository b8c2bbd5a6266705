//! A book that starts again from a snapshot.

use crate::support::{Fixture, Tree, apply, at, nodes};
use feed::{Sink, SinkError};
use journal::{
    ConsistencyState, NodeKind, NodeState, ReadError, Snapshot, SnapshotInode, SnapshotNode,
};
use serde_json::json;

fn snapshot_nodes(tree: &Tree) -> Vec<SnapshotNode> {
    tree.nodes
        .iter()
        .map(|(id, node)| SnapshotNode {
            node_id: *id,
            backend_mount_id: node.mount,
            path: node.path.clone(),
            kind: if node.is_file {
                NodeKind::File
            } else {
                NodeKind::Directory
            },
            state: if node.is_there {
                NodeState::Active
            } else {
                NodeState::Missing
            },
            parent_id: None,
            version: node.version,
            size_bytes: Some(node.size),
            journal_id: node.last,
            checksum: Some("sha256:00".to_owned()),
            content_hash: None,
            metadata: Some(json!({"a": 1})),
            attributes: Some(json!({"acl": "user::rw-"})),
            object_tags: None,
            consistency_state: Some(ConsistencyState::Active),
            last_modified_at: None,
            inode: SnapshotInode::default(),
            observed_at: Some(at("2026-03-05T00:00:00Z")),
        })
        .collect()
}

fn snapshot(tree: &Tree) -> Snapshot<'static> {
    let journal_id = tree.journal.head();
    Snapshot {
        epoch: tree.journal.epoch,
        journal_id,
        digest: tree.journal.digest(journal_id),
        nodes: Box::new(snapshot_nodes(tree).into_iter().map(Ok)),
    }
}

/// What `/filestore/nodes` must say after the tree's whole journal.
async fn assert_book_equals(fixture: &Fixture, tree: &Tree) {
    let weight = |node: &SnapshotNode| match node.state {
        NodeState::Missing => Some(0),
        _ => node.size_bytes,
    };
    let expected: Vec<_> = snapshot_nodes(tree)
        .into_iter()
        .map(|node| {
            (
                node.node_id,
                weight(&node),
                node.path,
                node.state,
                node.journal_id,
                node.version,
            )
        })
        .collect();
    let found: Vec<_> = nodes(fixture)
        .await
        .into_iter()
        .map(|node| {
            (
                node.node_id,
                node.size_bytes,
                node.path,
                node.state,
                node.journal_id,
                node.version,
            )
        })
        .collect();
    assert_eq!(found, expected);
    let there = || tree.nodes.values().filter(|node| node.is_there);
    let files = there().filter(|node| node.is_file).count();
    let bytes: i64 = there().map(|node| node.size).sum();
    assert_eq!(
        fixture
            .sql(
                "SELECT sum(file_delta) AS files, sum(size_delta) AS bytes FROM filestore_activity"
            )
            .await,
        vec![json!({"files": files, "bytes": bytes})]
    );
}

fn tree() -> Tree {
    let mut tree = Tree::new();
    tree.create("d", false, 0);
    for number in 0..20 {
        tree.file(&format!("d/f{number}"), 100 + number);
    }
    tree
}

/// Changes of every kind to the tree of [`tree`].
fn change(tree: &mut Tree) {
    tree.rewrite(2, 7);
    tree.rename(3, "moved");
    tree.delete(4);
    tree.lose(6);
    tree.file("late", 55);
}

#[tokio::test]
async fn a_new_consumer_starts_from_a_snapshot_and_follows() {
    let fixture = Fixture::new();
    let mut tree = tree();
    change(&mut tree);
    let mut sink = fixture.timestore.sink();
    sink.load_snapshot(snapshot(&tree)).unwrap();
    assert_eq!(
        sink.checkpoint().unwrap(),
        Some(tree.journal.checkpoint(tree.journal.head()))
    );
    assert_book_equals(&fixture, &tree).await;
    let kinds = fixture
        .sql("SELECT DISTINCT event_type FROM filestore_activity")
        .await;
    assert_eq!(
        kinds,
        vec![json!({"event_type": "filestore.snapshot.node"})]
    );

    let after = tree.journal.head().get();
    tree.rewrite(5, 1);
    tree.delete(7);
    tree.find(6, "found again");
    tree.journal
        .apply(&mut sink, after, tree.journal.head().get())
        .unwrap();
    assert_book_equals(&fixture, &tree).await;
}

#[tokio::test]
async fn a_late_consumer_keeps_its_history_and_gets_what_it_missed() {
    let fixture = Fixture::new();
    let mut tree = tree();
    let mut sink = fixture.timestore.sink();
    tree.journal.apply_all(&mut sink);
    let seen = tree.journal.head();
    change(&mut tree);
    sink.load_snapshot(snapshot(&tree)).unwrap();
    assert_book_equals(&fixture, &tree).await;
    let added = "SELECT node_id, path, previous_path, state, size_delta, file_delta \
        FROM filestore_activity WHERE event_type = 'filestore.snapshot.node' ORDER BY node_id";
    assert_eq!(
        fixture.sql(added).await,
        vec![
            json!({"node_id": 2, "path": "d/f0", "previous_path": null, "state": "active", "size_delta": -93, "file_delta": 0}),
            json!({"node_id": 3, "path": "moved", "previous_path": "d/f1", "state": "active", "size_delta": 0, "file_delta": 0}),
            json!({"node_id": 4, "path": "d/f2", "previous_path": null, "state": "deleted", "size_delta": -102, "file_delta": -1}),
            json!({"node_id": 6, "path": "d/f4", "previous_path": null, "state": "missing", "size_delta": -104, "file_delta": -1}),
            json!({"node_id": 22, "path": "late", "previous_path": null, "state": "active", "size_delta": 55, "file_delta": 1}),
        ]
    );
    let history =
        format!("SELECT count(*) AS n FROM filestore_activity WHERE journal_id <= {seen}");
    assert_eq!(fixture.value(&history).await, json!(21));

    // Starting over changes nothing.
    sink.load_snapshot(snapshot(&tree)).unwrap();
    let rows = fixture
        .value("SELECT count(*) AS n FROM filestore_activity")
        .await;
    assert_eq!(rows, json!(26));
    assert_book_equals(&fixture, &tree).await;
}

#[tokio::test]
async fn a_dead_letter_retried_after_a_snapshot_counts_nothing_twice() {
    // A directory weighs nothing; a file has a size and counts as one. Of the third, a later entry
    // than the parked one is in the history already.
    for parked in [0, 3, 1] {
        let fixture = Fixture::new();
        let mut tree = tree();
        tree.rewrite(2, 7);
        let mut sink = fixture.timestore.sink();
        let head = tree.journal.checkpoint(tree.journal.head());
        let mut others = tree.journal.entries.clone();
        let letter = others.remove(parked);
        apply(&mut sink, &others, &[], &[], head).unwrap();
        sink.load_snapshot(snapshot(&tree)).unwrap();
        assert_book_equals(&fixture, &tree).await;
        let (id, letters) = (letter.id, [letter]);
        apply(&mut sink, &letters, &[], &[id], head).unwrap();
        assert_book_equals(&fixture, &tree).await;
    }
}

#[tokio::test]
async fn a_snapshot_whose_checkpoint_is_refused_leaves_no_row() {
    let fixture = Fixture::new();
    let mut tree = tree();
    let (mut one, mut two) = (fixture.timestore.sink(), fixture.timestore.sink());
    tree.journal.apply(&mut one, 0, 5).unwrap();
    two.checkpoint().unwrap();
    // The book moves on, and the other sink does not know.
    tree.journal.apply(&mut one, 5, 10).unwrap();
    let checkpoint = one.checkpoint().unwrap();
    let digest = fixture.timestore.content_digest().unwrap();
    change(&mut tree);
    let error = two.load_snapshot(snapshot(&tree)).unwrap_err();
    assert!(matches!(error, SinkError::Unavailable(..)), "{error}");
    assert_eq!(fixture.timestore.content_digest().unwrap(), digest);
    assert_eq!(
        fixture
            .sql("SELECT count(*) AS rows, max(journal_id) AS last FROM filestore_activity")
            .await,
        vec![json!({"rows": 10, "last": 10})]
    );
    assert_eq!(one.checkpoint().unwrap(), checkpoint);
    // Asked again, it knows better.
    two.load_snapshot(snapshot(&tree)).unwrap();
    assert_book_equals(&fixture, &tree).await;
}

#[tokio::test]
async fn a_snapshot_that_breaks_off_changes_nothing() {
    let fixture = Fixture::new();
    let mut tree = tree();
    let mut sink = fixture.timestore.sink();
    tree.journal.apply_all(&mut sink);
    let checkpoint = sink.checkpoint().unwrap();
    let digest = fixture.timestore.content_digest().unwrap();
    change(&mut tree);
    let broken = Snapshot {
        nodes: Box::new(
            snapshot_nodes(&tree)
                .into_iter()
                .map(Ok)
                .take(5)
                .chain([Err(ReadError::Unavailable("gone".into()))]),
        ),
        ..snapshot(&tree)
    };
    let error = sink.load_snapshot(broken).unwrap_err();
    assert!(matches!(error, SinkError::Unavailable(..)), "{error}");
    assert_eq!(sink.checkpoint().unwrap(), checkpoint);
    assert_eq!(fixture.timestore.content_digest().unwrap(), digest);
    sink.load_snapshot(snapshot(&tree)).unwrap();
    assert_book_equals(&fixture, &tree).await;
}

#[tokio::test]
async fn a_journal_restored_to_an_earlier_state_drops_the_lost_future() {
    let fixture = Fixture::new();
    let earlier = tree();
    let mut later = Tree {
        journal: earlier.journal.clone(),
        ..tree()
    };
    change(&mut later);
    let mut sink = fixture.timestore.sink();
    later.journal.apply_all(&mut sink);
    sink.load_snapshot(snapshot(&earlier)).unwrap();
    assert_eq!(
        sink.checkpoint().unwrap(),
        Some(earlier.journal.checkpoint(earlier.journal.head()))
    );
    assert_book_equals(&fixture, &earlier).await;
}

#[tokio::test]
async fn another_journal_begins_an_empty_book_and_the_old_rows_stay_readable() {
    let fixture = Fixture::new();
    let (first, second) = (tree(), {
        let mut tree = Tree::new();
        tree.file("other", 3);
        tree
    });
    let mut sink = fixture.timestore.sink();
    first.journal.apply_all(&mut sink);
    sink.load_snapshot(snapshot(&second)).unwrap();
    assert_book_equals(&fixture, &second).await;
    let epoch = first.journal.epoch.to_string();
    let aside = format!("filestore_activity_{}_21", &epoch[..8]);
    let count = fixture
        .value(&format!("SELECT count(*) AS n FROM {aside}"))
        .await;
    assert_eq!(count, json!(21));
    // And it survives a restart.
    let fixture = fixture.reopened();
    assert_book_equals(&fixture, &second).await;
}

/// Growth by day, from every row.
const BY_DAY: &str = "SELECT date_trunc('day', observed_at) AS \"bucketStart\", \
    sum(greatest(size_delta, 0))::BIGINT AS \"bytesAdded\", \
    sum(greatest(-size_delta, 0))::BIGINT AS \"bytesRemoved\", \
    sum(greatest(file_delta, 0))::BIGINT AS \"filesAdded\", \
    sum(greatest(-file_delta, 0))::BIGINT AS \"filesRemoved\", count(*) AS changes \
    FROM filestore_activity WHERE version IS NOT NULL GROUP BY 1 ORDER BY 1";

async fn assert_growth_equals_the_rows(fixture: &Fixture) {
    let expected = fixture.sql(BY_DAY).await;
    let mut found = fixture.get("/filestore/growth").await.rows("series");
    for point in &mut found {
        let point = point.as_object_mut().unwrap();
        for name in ["group", "netBytes", "totalBytes", "files"] {
            assert!(point.remove(name).is_some(), "{name}");
        }
    }
    assert_eq!(found, expected);
}

#[tokio::test]
async fn growth_is_summed_anew_when_a_snapshot_changes_the_rows() {
    let fixture = Fixture::with(|options| options.growth_tail_entries = 3);
    let mut tree = tree();
    let mut sink = fixture.timestore.sink();
    tree.journal.apply_all(&mut sink);
    assert_growth_equals_the_rows(&fixture).await;
    let (missed, restored) = (tree.journal.head().get(), tree.journal.clone());
    tree.at("2026-03-04T12:00:00Z");
    change(&mut tree);
    sink.load_snapshot(snapshot(&tree)).unwrap();
    assert_growth_equals_the_rows(&fixture).await;

    // An entry that the snapshot stands for, retried late, changes no sum of bytes.
    let late = &tree.journal.entries[usize::try_from(missed).unwrap()..][..1];
    let head = tree.journal.checkpoint(tree.journal.head());
    apply(&mut sink, late, &[], &[], head).unwrap();
    assert_growth_equals_the_rows(&fixture).await;

    let after = tree.journal.head().get();
    tree.at("2026-03-05T12:00:00Z");
    for number in 0..7 {
        tree.file(&format!("more{number}"), 11);
    }
    tree.journal.apply(&mut sink, after, after + 7).unwrap();
    assert_growth_equals_the_rows(&fixture).await;
    let fixture = fixture.reopened();
    assert_growth_equals_the_rows(&fixture).await;

    // The rows after the snapshot go, and so do their sums.
    let earlier = Tree {
        journal: restored,
        ..self::tree()
    };
    let mut sink = fixture.timestore.sink();
    sink.load_snapshot(snapshot(&earlier)).unwrap();
    assert_growth_equals_the_rows(&fixture).await;
}

#[tokio::test]
async fn a_move_to_another_mount_that_was_missed_is_told_by_the_snapshot() {
    let fixture = Fixture::new();
    let mut tree = tree();
    let mut sink = fixture.timestore.sink();
    tree.journal.apply_all(&mut sink);
    tree.move_to(2, 7, "d/f0");
    sink.load_snapshot(snapshot(&tree)).unwrap();
    assert_book_equals(&fixture, &tree).await;
    let moved = "SELECT backend_mount_id, path, previous_backend_mount_id, previous_path \
        FROM filestore_activity WHERE event_type = 'filestore.snapshot.node'";
    assert_eq!(
        fixture.sql(moved).await,
        vec![
            json!({"backend_mount_id": 7, "path": "d/f0", "previous_backend_mount_id": 1, "previous_path": "d/f0"})
        ]
    );
    let series = fixture
        .get("/filestore/growth?mount=7")
        .await
        .rows("series");
    assert_eq!(
        (&series[0]["totalBytes"], &series[0]["files"]),
        (&json!(100), &json!(1))
    );
}

#[tokio::test]
async fn an_older_dead_letter_retried_after_a_snapshot_adds_its_row_and_nothing_to_the_sums() {
    let fixture = Fixture::new();
    let mut tree = tree();
    tree.rewrite(2, 7);
    tree.file("late", 5);
    let mut sink = fixture.timestore.sink();
    let head = tree.journal.checkpoint(tree.journal.head());
    let mut others = tree.journal.entries.clone();
    // The node's first entry; the snapshot's row stands at a later one.
    let letter = others.remove(1);
    apply(&mut sink, &others, &[], &[], head).unwrap();
    sink.load_snapshot(snapshot(&tree)).unwrap();
    let sums = "SELECT sum(file_delta) AS files, sum(size_delta) AS bytes FROM filestore_activity";
    let before = fixture.sql(sums).await;
    let (id, letters) = (letter.id, [letter]);
    apply(&mut sink, &letters, &[], &[id], head).unwrap();
    let row = format!("SELECT count(*) AS n FROM filestore_activity WHERE journal_id = {id}");
    assert_eq!(fixture.value(&row).await, json!(1));
    assert_eq!(fixture.sql(sums).await, before);
}

#[tokio::test]
async fn a_command_retried_after_a_snapshot_gets_its_row_where_the_snapshot_deleted_a_node() {
    let fixture = Fixture::new();
    let mut tree = tree();
    tree.delete(2);
    let command = json!({
        "command": "deleteNode", "backendMountId": 1, "nodeId": 2, "path": "a", "result": {},
        "idempotencyKey": null, "principal": null, "observedAt": tree.now, "commandId": "c",
        "durationMs": 1, "nodesChanged": 1,
    });
    let journal = &mut tree.journal;
    let id = journal.push("filestore.command.completed", Some(2), 0, command);
    let mut sink = fixture.timestore.sink();
    let head = tree.journal.checkpoint(tree.journal.head());
    // The deletion and the command that did it are parked, and the deletion stays so.
    let mut others = tree.journal.entries.clone();
    let letter = others.pop().unwrap();
    others.pop().unwrap();
    apply(&mut sink, &others, &[], &[], head).unwrap();
    sink.load_snapshot(snapshot(&tree)).unwrap();
    assert_book_equals(&fixture, &tree).await;
    let rows = format!(
        "SELECT event_type FROM filestore_activity WHERE journal_id = {id} ORDER BY event_type"
    );
    let row = |of: &str| json!({ "event_type": of });
    assert_eq!(fixture.sql(&rows).await, [row("filestore.snapshot.node")]);
    let growth = fixture.get("/filestore/growth?bucket=day").await.text;
    for _ in 0..2 {
        apply(&mut sink, std::slice::from_ref(&letter), &[], &[id], head).unwrap();
        let both = ["filestore.command.completed", "filestore.snapshot.node"].map(row);
        assert_eq!(fixture.sql(&rows).await, both);
        let after = fixture.get("/filestore/growth?bucket=day").await.text;
        assert_eq!(after, growth);
    }
    assert_book_equals(&fixture, &tree).await;
}

#[tokio::test]
async fn a_deleted_node_of_which_an_entry_is_parked_weighs_nothing_after_a_snapshot() {
    let fixture = Fixture::new();
    let mut tree = Tree::new();
    let gone = tree.file("gone", 7);
    tree.file("stays", 5);
    tree.delete(gone);
    let mut sink = fixture.timestore.sink();
    let head = tree.journal.checkpoint(tree.journal.head());
    let mut others = tree.journal.entries.clone();
    let letter = others.remove(0);
    apply(&mut sink, &others, &[], &[], head).unwrap();
    let sums = "SELECT sum(size_delta)::BIGINT AS bytes, sum(file_delta)::BIGINT AS files \
                FROM filestore_activity";
    assert_eq!(
        fixture.sql(sums).await,
        [json!({"bytes": -2, "files": 0})],
        "the first entry is missing"
    );
    sink.load_snapshot(snapshot(&tree)).unwrap();
    let right = [json!({"bytes": 5, "files": 1})];
    assert_eq!(fixture.sql(sums).await, right);
    let (id, letters) = (letter.id, [letter]);
    apply(&mut sink, &letters, &[], &[id], head).unwrap();
    assert_eq!(fixture.sql(sums).await, right);
    assert_book_equals(&fixture, &tree).await;
}
