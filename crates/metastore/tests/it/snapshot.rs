//! Snapshots in and out.

use crate::support::{Served, options};
use feed::{Checkpoint, DeadLetter, Sink as _, SinkError};
use journal::{
    Digest, Epoch, JournalId, NodeKind, NodeState, ReadError, Snapshot, SnapshotInode,
    SnapshotNode, Time,
};
use metastore::Metastore;
use serde_json::{Value, json};

fn snapshot_node(node_id: i64, path: &str, journal_id: u64) -> SnapshotNode {
    SnapshotNode {
        node_id,
        backend_mount_id: 1,
        path: path.to_owned(),
        kind: NodeKind::File,
        state: NodeState::Active,
        parent_id: None,
        version: 3,
        size_bytes: Some(10),
        journal_id: JournalId::new(journal_id),
        checksum: None,
        content_hash: None,
        attributes: None,
        object_tags: None,
        metadata: Some(json!({"from": "snapshot"})),
        consistency_state: None,
        last_modified_at: None,
        inode: SnapshotInode::default(),
        observed_at: Some(Time::from_millis(1_750_000_000_000)),
    }
}

fn snapshot(at: Checkpoint, nodes: Vec<Result<SnapshotNode, ReadError>>) -> Snapshot<'static> {
    Snapshot {
        epoch: at.epoch,
        journal_id: at.journal_id,
        digest: at.digest,
        nodes: Box::new(nodes.into_iter()),
    }
}

fn checkpoint(journal_id: u64) -> Checkpoint {
    let epoch: Epoch = "6f1c1c4e-6a53-4a0f-9a51-3a8b40f0a001".parse().unwrap();
    Checkpoint {
        epoch,
        journal_id: JournalId::new(journal_id),
        digest: Digest::genesis(epoch),
    }
}

#[tokio::test]
async fn a_snapshot_becomes_the_book_and_what_people_wrote_stays() {
    let served = Served::start().await;
    let mut journal = served.journal();
    for (id, path) in [(1, "stays"), (2, "goes"), (3, "was deleted")] {
        journal.node("created", id, path, json!({"command": "scan"}));
    }
    journal.node("deleted", 3, "was deleted", json!({}));
    journal.apply();
    for id in [1, 2, 3] {
        let answer = served
            .patch(&format!("/records/filestore/{id}"), json!({"owner": "ada"}))
            .await;
        assert_eq!(answer.status, if id == 3 { 409 } else { 200 });
    }
    served.delete("/records/filestore/1").await.expect(200);
    let letter = |id: u64| DeadLetter {
        journal_id: JournalId::new(id),
        event_type: "filestore.node.created".to_owned(),
        data: "{}".to_owned(),
        reason: "r".to_owned(),
        parked_at: Time::from_millis(0),
        attempts: 1,
    };
    journal.try_apply(&[letter(90), letter(101)], &[]).unwrap();

    let broken = vec![
        Ok(snapshot_node(1, "half", 90)),
        Err(ReadError::Unavailable("cut off".into())),
    ];
    let error = journal
        .sink
        .load_snapshot(snapshot(checkpoint(100), broken))
        .unwrap_err();
    assert!(matches!(error, SinkError::Unavailable(..)), "{error:?}");
    assert_eq!(
        served.record("filestore", "1").await["metadata"]["filestore"]["path"],
        "stays"
    );

    let nodes = || {
        vec![
            Ok(snapshot_node(1, "moved", 90)),
            Ok(snapshot_node(3, "back", 95)),
            Ok(snapshot_node(4, "new", 99)),
        ]
    };
    for _ in 0..2 {
        journal
            .sink
            .load_snapshot(snapshot(checkpoint(100), nodes()))
            .unwrap();
        assert_eq!(journal.sink.checkpoint().unwrap(), Some(checkpoint(100)));
    }
    let first = served.record("filestore", "1").await;
    assert_eq!(
        (&first["owner"], &first["version"]),
        (&json!("ada"), &json!(3))
    );
    assert!(first["deletedAt"].is_string(), "a person's deletion stays");
    let node = &first["metadata"]["filestore"];
    assert_eq!(
        (&node["path"], &node["journalId"]),
        (&json!("moved"), &json!(90))
    );
    assert_eq!(node["nodeMetadata"], json!({"from": "snapshot"}));
    assert_eq!(
        node["command"], "scan",
        "what a snapshot does not tell stays known"
    );

    let second = served.record("filestore", "2").await;
    assert_eq!(second["owner"], "ada");
    assert_eq!(second["metadata"]["filestore"]["state"], "deleted");
    assert!(second["deletedAt"].is_string());
    assert_eq!(
        served.record("filestore", "3").await["deletedAt"],
        Value::Null
    );
    assert_eq!(
        served.record("filestore", "4").await["metadata"]["filestore"]["path"],
        "new"
    );
    let letters = journal.sink.dead_letters(JournalId::ZERO, 10).unwrap();
    assert_eq!(
        letters,
        [letter(101)],
        "the snapshot has what was parked before it"
    );
}

#[tokio::test]
async fn the_nodes_are_streamed_as_one_state_with_its_checkpoint() {
    let served = Served::start().await;
    let url = format!("{}/filestore/nodes", served.url);
    let response = served.client.get(&url).send().await.unwrap();
    assert_eq!(response.headers()["tidemark-journal-id"], "0");
    assert_eq!(response.text().await.unwrap(), "");

    let mut journal = served.journal();
    for id in 1..=2_500 {
        let fields = json!({"metadata": {"pad": "x".repeat(100)}, "sizeBytes": id});
        journal.node("created", id, &format!("f{id}"), fields);
    }
    journal.node("deleted", 2, "f2", json!({}));
    journal.node("missing", 3, "f3", json!({}));
    journal.apply();
    let read = async |query: &str| {
        let response = served
            .client
            .get(format!("{url}{query}"))
            .send()
            .await
            .unwrap();
        let headers = response.headers().clone();
        let text = response.text().await.unwrap();
        let nodes: Vec<SnapshotNode> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        (headers, nodes)
    };
    let (headers, nodes) = read("").await;
    assert_eq!(headers["content-type"], "application/x-ndjson");
    assert_eq!(headers["tidemark-journal-id"], "2502");
    assert_eq!(
        headers["tidemark-digest"],
        journal.checkpoint.digest.to_string()
    );
    assert_eq!(
        headers["tidemark-epoch"],
        journal.checkpoint.epoch.to_string()
    );
    assert_eq!(nodes.len(), 2_499);
    assert!(nodes.is_sorted_by_key(|node| node.node_id));
    assert!(nodes.iter().all(|node| node.node_id != 2));
    assert_eq!((nodes[1].node_id, nodes[1].state), (3, NodeState::Missing));
    assert_eq!(
        (nodes[0].size_bytes, nodes[0].journal_id.get()),
        (Some(1), 1)
    );
    let (_, page) = read("?after=1&limit=2").await;
    assert_eq!(
        page.iter().map(|node| node.node_id).collect::<Vec<_>>(),
        [3, 4]
    );
}

#[tokio::test]
async fn an_empty_book_reaches_the_same_contents_by_replay_and_by_snapshot() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let replayed = Metastore::open(options(one.path())).unwrap();
    let mut journal = crate::support::Journal::new(replayed.sink().unwrap());
    for id in 1..=20 {
        journal.node(
            "created",
            id,
            &format!("f{id}"),
            json!({"metadata": {"b": 1, "a": [id]}}),
        );
    }
    journal.node("moved", 5, "g5", json!({"previousPath": "f5"}));
    journal.node("deleted", 6, "f6", json!({}));
    journal.apply();

    let served = Served::with(options(two.path()), None).await;
    let nodes = {
        let path = one.path().join("metastore.db");
        let db = rusqlite::Connection::open(path).unwrap();
        let mut statement = db
            .prepare(
                "SELECT node_id, path, journal_id, node_metadata FROM filestore_nodes \
                      WHERE state <> 'deleted' ORDER BY node_id",
            )
            .unwrap();
        let rows = statement.query_map([], |row| {
            let journal_id: i64 = row.get(2)?;
            let metadata: String = row.get(3)?;
            let mut node = snapshot_node(
                row.get(0)?,
                &row.get::<_, String>(1)?,
                journal_id.unsigned_abs(),
            );
            node.metadata = Some(serde_json::from_str(&metadata).unwrap());
            node.version = 1;
            Ok(Ok(node))
        });
        rows.unwrap().map(Result::unwrap).collect::<Vec<_>>()
    };
    let mut sink = served.metastore.sink().unwrap();
    sink.load_snapshot(snapshot(journal.checkpoint, nodes))
        .unwrap();
    let digest = replayed.content_digest().unwrap();
    assert_eq!(served.metastore.content_digest().unwrap(), digest);
}
