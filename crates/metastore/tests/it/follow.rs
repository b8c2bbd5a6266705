//! The sink behind feed's own follower.

use crate::support::{Journal, Served};
use feed::Sink as _;
use feed::consumer::{Follower, FollowerOptions, Step};
use journal::{
    Digest, Entry, Epoch, JournalId, JournalReader, NodeKind, NodeState, Page, Position, ReadError,
    Snapshot, SnapshotInode, SnapshotNode, SystemClock,
};
use parking_lot::Mutex;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// A journal in memory, trimmed up to an id.
struct Kept {
    epoch: Epoch,
    entries: Mutex<Vec<Entry>>,
    trimmed: Mutex<JournalId>,
    nodes: Vec<SnapshotNode>,
}

impl Kept {
    fn of(journal: &mut Journal, nodes: Vec<SnapshotNode>) -> Arc<Self> {
        Arc::new(Self {
            epoch: journal.checkpoint.epoch,
            entries: Mutex::new(std::mem::take(&mut journal.entries)),
            trimmed: Mutex::default(),
            nodes,
        })
    }

    fn digest(&self, id: JournalId) -> Option<Digest> {
        if id == JournalId::ZERO {
            return Some(Digest::genesis(self.epoch));
        }
        self.entries
            .lock()
            .iter()
            .find(|entry| entry.id == id)
            .map(|entry| entry.digest)
    }
}

impl JournalReader for Kept {
    fn position(&self) -> Result<Position, ReadError> {
        let head = self
            .entries
            .lock()
            .last()
            .map_or(JournalId::ZERO, |entry| entry.id);
        Ok(Position {
            epoch: self.epoch,
            head,
            trimmed: *self.trimmed.lock(),
        })
    }

    fn read(&self, after: JournalId, limit: usize) -> Result<Page, ReadError> {
        let trimmed = *self.trimmed.lock();
        if after < trimmed {
            return Err(ReadError::Trimmed { after, trimmed });
        }
        let (position, after_digest) = (self.position()?, self.digest(after));
        let entries = self.entries.lock();
        let entries = entries
            .iter()
            .filter(|it| it.id > after)
            .take(limit)
            .cloned()
            .collect();
        Ok(Page {
            position,
            after_digest,
            entries,
        })
    }

    fn wait(&self, _: JournalId, _: Duration) -> Result<Position, ReadError> {
        self.position()
    }

    fn snapshot(&self) -> Result<Snapshot<'_>, ReadError> {
        let head = self.position()?.head;
        Ok(Snapshot {
            epoch: self.epoch,
            journal_id: head,
            digest: self.digest(head).unwrap(),
            nodes: Box::new(self.nodes.iter().cloned().map(Ok)),
        })
    }
}

fn follower(served: &Served, kept: &Arc<Kept>) -> Follower<metastore::Sink> {
    let sink = served.metastore.sink().unwrap();
    let reader = Arc::clone(kept) as feed::SharedReader;
    let options = FollowerOptions {
        batch_max_entries: 3,
        ..FollowerOptions::default()
    };
    Follower::new(sink, reader, Arc::new(SystemClock), options)
}

fn follow(follower: &mut Follower<metastore::Sink>) {
    loop {
        match follower.step() {
            Step::AtHead => return,
            Step::Applied { .. } | Step::LoadedSnapshot => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn poison_is_parked_with_its_reason_and_the_rest_goes_on() {
    let served = Served::start().await;
    let mut journal = served.journal();
    journal.node("created", 1, "a", json!({}));
    let refused = journal.node("created", 2, "b", json!({"sizeBytes": -5}));
    let undecodable = journal.node("created", 3, "c", json!({"path": 7}));
    journal.node("created", 4, "d", json!({}));
    journal.node("updated", 2, "b2", json!({"sizeBytes": 5}));
    let kept = Kept::of(&mut journal, Vec::new());
    let mut follower = follower(&served, &kept);
    follow(&mut follower);
    let letters = follower.sink().dead_letters(JournalId::ZERO, 10).unwrap();
    assert_eq!(
        letters.iter().map(|it| it.journal_id).collect::<Vec<_>>(),
        [refused, undecodable]
    );
    assert!(
        letters[0].reason.contains("size_bytes"),
        "{}",
        letters[0].reason
    );
    assert_eq!(
        follower.sink().checkpoint().unwrap().unwrap().journal_id,
        JournalId::new(5)
    );
    let mut keys = served.keys(json!({"namespace": "*"})).await;
    keys.sort();
    assert_eq!(keys, ["1", "2", "4"]);
    let node = served.record("filestore", "2").await["metadata"]["filestore"].clone();
    assert_eq!(
        node["path"], "b2",
        "a parked entry does not hold up later ones"
    );

    // The parked creation is older than what the book holds: retried, it changes nothing.
    follower.retry_dead_letter(&letters[0]).unwrap();
    assert_eq!(
        served.record("filestore", "2").await["metadata"]["filestore"],
        node
    );
    assert!(follower.retry_dead_letter(&letters[1]).is_err());
    assert_eq!(follower.dead_letter_count().unwrap(), 1);
    follower.discard_dead_letter(undecodable).unwrap();
    assert_eq!(follower.dead_letter_count().unwrap(), 0);
}

#[tokio::test]
async fn a_book_behind_the_trimmed_id_starts_from_a_snapshot_and_follows() {
    let served = Served::start().await;
    let mut journal = served.journal();
    for id in 1..=4 {
        journal.node("created", id, &format!("f{id}"), json!({}));
    }
    let nodes = vec![SnapshotNode {
        node_id: 9,
        backend_mount_id: 1,
        path: "nine".to_owned(),
        kind: NodeKind::File,
        state: NodeState::Active,
        parent_id: None,
        version: 1,
        size_bytes: None,
        journal_id: JournalId::new(4),
        checksum: None,
        content_hash: None,
        attributes: None,
        object_tags: None,
        metadata: None,
        consistency_state: None,
        last_modified_at: None,
        inode: SnapshotInode::default(),
        observed_at: None,
    }];
    let kept = Kept::of(&mut journal, nodes);
    let mut follower = follower(&served, &kept);
    assert!(matches!(follower.step(), Step::Applied { entries: 3, .. }));
    *kept.trimmed.lock() = JournalId::new(4);
    assert!(matches!(follower.step(), Step::LoadedSnapshot));
    assert_eq!(served.keys(json!({"namespace": "*"})).await, ["9"]);
    journal.node("updated", 9, "nine again", json!({}));
    kept.entries.lock().append(&mut journal.entries);
    follow(&mut follower);
    let node = served.record("filestore", "9").await["metadata"]["filestore"].clone();
    assert_eq!(node["path"], "nine again");
}
