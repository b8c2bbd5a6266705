//! Effects and checkpoint are one transaction: where one of them is refused, neither is there, and
//! nobody sees one without the other.

use crate::support::{Journal, Served, options};
use feed::{Checkpoint, DeadLetter, Sink as _};
use journal::{
    JournalId, NodeKind, NodeState, ReadError, Snapshot, SnapshotInode, SnapshotNode, Time,
};
use metastore::{Metastore, Options, RuleSet, Rules, RulesConfig};
use rusqlite::Connection;
use serde_json::json;
use std::path::Path;
use std::sync::mpsc;

/// Everything that the sync writes.
fn book(dir: &Path) -> Vec<String> {
    let db = Connection::open(dir.join("metastore.db")).unwrap();
    let sql = "SELECT 'checkpoint ' || journal_id FROM filestore_sync UNION ALL \
               SELECT 'node ' || node_id || path || state FROM filestore_nodes UNION ALL \
               SELECT 'record ' || key || namespace FROM records UNION ALL \
               SELECT 'parked ' || journal_id FROM dead_letters";
    let mut statement = db.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

/// Every node gets a tag, so that its record has a row.
fn with_tags(dir: &Path) -> Options {
    let rules = json!({"rules": [{"namespace": "filestore", "defaultTags": ["found"]}]});
    let config: RulesConfig = serde_json::from_value(rules).unwrap();
    Options {
        rules: Rules::Configured(RuleSet::new(config).unwrap()),
        ..options(dir)
    }
}

/// Every write to this table fails while `during` runs.
fn refusing<T>(dir: &Path, table: &str, event: &str, during: impl FnOnce() -> T) -> T {
    let db = Connection::open(dir.join("metastore.db")).unwrap();
    let trigger = format!(
        "CREATE TRIGGER refuse BEFORE {event} ON {table} \
         BEGIN SELECT RAISE(ABORT, 'refused by the test'); END"
    );
    db.execute_batch(&trigger).unwrap();
    let outcome = during();
    db.execute_batch("DROP TRIGGER refuse").unwrap();
    outcome
}

fn letter(journal_id: JournalId) -> DeadLetter {
    DeadLetter {
        journal_id,
        event_type: "filestore.node.created".to_owned(),
        data: "{}".to_owned(),
        reason: "r".to_owned(),
        parked_at: Time::from_millis(0),
        attempts: 1,
    }
}

#[test]
fn a_batch_whose_checkpoint_or_effect_is_refused_leaves_neither() {
    let dir = tempfile::tempdir().unwrap();
    let metastore = Metastore::open(with_tags(dir.path())).unwrap();
    let mut journal = Journal::new(metastore.sink().unwrap());
    journal.node("created", 1, "a", json!({}));
    journal.node("created", 2, "b", json!({}));
    journal.apply();
    let (before, checkpoint) = (book(dir.path()), journal.checkpoint);
    assert_eq!(before.len(), 5);

    journal.node("updated", 1, "a", json!({"state": "inconsistent"}));
    journal.node("moved", 2, "c", json!({"previousPath": "b"}));
    let last = journal.node("created", 3, "d", json!({}));
    let entries = std::mem::take(&mut journal.entries);
    let next = Checkpoint {
        journal_id: last,
        digest: entries[2].digest,
        ..checkpoint
    };
    for (table, event) in [
        ("filestore_sync", "INSERT"),
        ("filestore_sync", "UPDATE"),
        ("filestore_nodes", "INSERT"),
        ("filestore_nodes", "UPDATE"),
        ("records", "INSERT"),
        ("dead_letters", "INSERT"),
    ] {
        let parked = [letter(JournalId::new(99))];
        let refused = refusing(dir.path(), table, event, || {
            journal.apply_entries(&entries, &parked, &[], next)
        });
        let said = refused.unwrap_err().to_string();
        assert!(said.contains("refused by the test"), "{table}: {said}");
        assert_eq!(book(dir.path()), before, "{event} of {table}");
        assert_eq!(journal.sink.checkpoint().unwrap(), Some(checkpoint));
    }
    journal.apply_entries(&entries, &[], &[], next).unwrap();
    assert_eq!(book(dir.path()).len(), 7);
    assert_eq!(journal.sink.checkpoint().unwrap(), Some(next));
}

fn node(node_id: i64, path: &str, journal_id: u64) -> SnapshotNode {
    SnapshotNode {
        node_id,
        backend_mount_id: 1,
        path: path.to_owned(),
        kind: NodeKind::File,
        state: NodeState::Active,
        parent_id: None,
        version: 1,
        size_bytes: Some(10),
        journal_id: JournalId::new(journal_id),
        checksum: None,
        content_hash: None,
        attributes: None,
        object_tags: None,
        metadata: Some(json!({})),
        consistency_state: None,
        last_modified_at: None,
        inode: SnapshotInode::default(),
        observed_at: None,
    }
}

fn snapshot<'a>(
    at: Checkpoint,
    nodes: impl Iterator<Item = Result<SnapshotNode, ReadError>> + Send + 'a,
) -> Snapshot<'a> {
    Snapshot {
        epoch: at.epoch,
        journal_id: at.journal_id,
        digest: at.digest,
        nodes: Box::new(nodes),
    }
}

#[test]
fn a_snapshot_whose_checkpoint_or_effect_is_refused_leaves_neither() {
    let dir = tempfile::tempdir().unwrap();
    let metastore = Metastore::open(with_tags(dir.path())).unwrap();
    let mut journal = Journal::new(metastore.sink().unwrap());
    journal.node("created", 1, "a", json!({}));
    journal.node("created", 2, "b", json!({}));
    journal.apply();
    let before = book(dir.path());
    let at = Checkpoint {
        journal_id: JournalId::new(50),
        ..journal.checkpoint
    };
    let nodes = || [Ok(node(1, "moved", 40)), Ok(node(3, "new", 41))].into_iter();
    for (table, event) in [
        ("filestore_sync", "INSERT"),
        ("filestore_nodes", "INSERT"),
        ("filestore_nodes", "UPDATE"),
        ("records", "INSERT"),
    ] {
        let refused = refusing(dir.path(), table, event, || {
            journal.sink.load_snapshot(snapshot(at, nodes()))
        });
        assert!(refused.is_err(), "{event} of {table}");
        assert_eq!(book(dir.path()), before, "{event} of {table}");
    }
    journal.sink.load_snapshot(snapshot(at, nodes())).unwrap();
    let after = book(dir.path());
    assert!(after.contains(&"node 1movedactive".to_owned()), "{after:?}");
    assert!(after.contains(&"node 2bdeleted".to_owned()), "{after:?}");
}

#[test]
fn a_snapshot_writes_what_differs_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let metastore = Metastore::open(options(dir.path())).unwrap();
    let mut journal = Journal::new(metastore.sink().unwrap());
    for id in 1..=20 {
        journal.node("created", id, &format!("f{id}"), json!({}));
    }
    journal.apply();
    let db = Connection::open(dir.path().join("metastore.db")).unwrap();
    let notes = "CREATE TABLE noted (what TEXT); \
                 CREATE TRIGGER added AFTER INSERT ON filestore_nodes \
                 BEGIN INSERT INTO noted VALUES ('added ' || new.node_id); END; \
                 CREATE TRIGGER changed AFTER UPDATE ON filestore_nodes \
                 BEGIN INSERT INTO noted VALUES ('changed ' || new.node_id); END;";
    db.execute_batch(notes).unwrap();
    let at = Checkpoint {
        journal_id: JournalId::new(30),
        ..journal.checkpoint
    };
    // 5 is gone, 7 and 8 have changed, 21 is new.
    let nodes = (1..=21_i64).filter(|id| *id != 5).map(|id| {
        let number = id.unsigned_abs();
        let mut node = node(id, &format!("f{id}"), number);
        match id {
            7 => node.path = "elsewhere".to_owned(),
            8 => node.size_bytes = Some(11),
            _ => {}
        }
        Ok(node)
    });
    journal.sink.load_snapshot(snapshot(at, nodes)).unwrap();
    let mut statement = db.prepare("SELECT what FROM noted ORDER BY what").unwrap();
    let noted = statement.query_map([], |row| row.get(0)).unwrap();
    let noted: Vec<String> = noted.map(Result::unwrap).collect();
    assert_eq!(noted, ["added 21", "changed 5", "changed 7", "changed 8"]);
    assert_eq!(journal.sink.checkpoint().unwrap(), Some(at));
}

#[tokio::test]
async fn people_write_and_read_the_whole_book_while_a_snapshot_comes_slowly() {
    let served = Served::start().await;
    let mut journal = served.journal();
    for id in 1..=3 {
        journal.node("created", id, &format!("f{id}"), json!({}));
    }
    journal.apply();
    let (came, has_come) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let loading = std::thread::spawn(move || {
        let at = Checkpoint {
            journal_id: JournalId::new(30),
            ..journal.checkpoint
        };
        let nodes = (1..=3).map(move |id| {
            if id == 3 {
                came.send(()).unwrap();
                may_go_on.recv().unwrap();
            }
            Ok(node(id, &format!("anew{id}"), 29))
        });
        journal.sink.load_snapshot(snapshot(at, nodes)).unwrap();
    });
    tokio::task::spawn_blocking(move || has_come.recv().unwrap())
        .await
        .unwrap();
    // Two nodes of three have come.
    let answer = served.put("/records/notes/k", json!({"metadata": {"a": 1}}));
    assert_eq!(answer.await.status, 201);
    let path = |record: serde_json::Value| record["metadata"]["filestore"]["path"].clone();
    for id in 1..=3 {
        let record = served.record("filestore", &id.to_string()).await;
        assert_eq!(path(record), format!("f{id}"), "the book before");
    }
    go_on.send(()).unwrap();
    tokio::task::spawn_blocking(move || loading.join().unwrap())
        .await
        .unwrap();
    for id in 1..=3 {
        let record = served.record("filestore", &id.to_string()).await;
        assert_eq!(path(record), format!("anew{id}"), "the book after");
    }
}
