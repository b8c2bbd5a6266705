//! The writer: group commit, savepoints, and what a failing job leaves.

mod prepared;
mod sealing;

use super::change::{Cause, Verb};
use super::{Catalogue, Node, StoreError, WriteTx, mounts, nodes, rollups};
use journal::{Digest, JournalId, JournalReader, NodeKind, SystemClock, chain};
use node::{Facts, Identity};
use std::collections::HashMap;
use std::sync::{Arc, mpsc};
use tempfile::TempDir;

struct Bench {
    store: Arc<Catalogue>,
    root: Node,
    dir: TempDir,
}

fn facts(kind: NodeKind, size_bytes: i64) -> Facts {
    let identity = Identity {
        dev: 0,
        ino: 0,
        born_ns: None,
    };
    Facts {
        kind,
        is_symlink: false,
        size_bytes,
        modified_ns: None,
        changed_ns: None,
        identity,
        inode: None,
        object: node::ObjectFacts::NONE,
    }
}

fn open(dir: &TempDir) -> Arc<Catalogue> {
    let database = dir.path().join("filestore.db");
    Arc::new(Catalogue::open(dir.path(), &database, Arc::new(SystemClock)).unwrap())
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = open(&dir);
        let mut made = mounts::Mount {
            id: 0,
            mount_key: "m".to_owned(),
            backend_kind: mounts::BackendKind::Local,
            access_mode: mounts::AccessMode::ReadWrite,
            root_path: None,
            bucket: None,
            prefix: None,
            display_name: None,
            description: None,
            contact: None,
            state_reason: None,
            labels: Vec::new(),
            state: mounts::MountState::Active,
            config: serde_json::Map::new(),
            created_at: store.clock().now(),
            updated_at: store.clock().now(),
        };
        let root = store.write(move |tx| {
            let facts = facts(NodeKind::Directory, 0);
            mounts::insert(tx, &Cause::default(), &mut made, facts)?;
            nodes::root(tx, made.id)
        });
        Self {
            store,
            root: root.unwrap(),
            dir,
        }
    }

    fn insert(
        &self,
        name: &str,
        size_bytes: i64,
    ) -> impl FnOnce(&mut WriteTx<'_>) -> Result<i64, StoreError> + use<> {
        let (mount_id, parent_id, path) = (self.root.mount_id, self.root.id, name.to_owned());
        move |tx| {
            let facts = facts(NodeKind::File, size_bytes);
            let mut node = Node::new(mount_id, Some(parent_id), path, facts);
            tx.change(&Cause::default(), Verb::Created, None, &mut node)?;
            Ok(node.id)
        }
    }

    fn rollup(&self) -> (i64, i64) {
        let rollup = self
            .store
            .read(|connection| rollups::of(connection, self.root.id));
        let rollup = rollup.unwrap().unwrap();
        let size_bytes = i64::try_from(rollup.size_bytes).unwrap();
        (size_bytes, rollup.file_count)
    }

    fn assert_chained(&self) {
        let page = JournalReader::read(&*self.store, JournalId::ZERO, 10_000).unwrap();
        let genesis = Digest::genesis(self.store.epoch());
        chain::verify(JournalId::ZERO, genesis, &page.entries).unwrap();
        assert_eq!(page.entries.len() as u64, self.store.head().id.get());
    }
}

#[test]
fn a_failed_job_takes_back_only_what_is_its_own() {
    let bench = Bench::new();
    let before = bench.store.head().id.get();
    // The writer is held up, so that all that follow run in one transaction.
    let (release, held) = mpsc::channel::<()>();
    let (store, insert) = (Arc::clone(&bench.store), bench.insert("first", 1));
    let first = std::thread::spawn(move || {
        store.write(move |tx| {
            held.recv().unwrap();
            insert(tx)
        })
    });
    let heads = bench.store.head_watch();
    let jobs = (0..20_i64).map(|number| {
        let insert = bench.insert(&format!("f{number}"), 10);
        let store = Arc::clone(&bench.store);
        std::thread::spawn(move || {
            store.write(move |tx| {
                insert(tx)?;
                match number % 4 {
                    0 => Err(StoreError::Stale(number)),
                    1 => panic!("a job with a defect"),
                    _ => Ok(tx.head().id),
                }
            })
        })
    });
    let jobs: Vec<_> = jobs.collect();
    release.send(()).unwrap();
    first.join().unwrap().unwrap();
    let outcomes: Vec<_> = jobs.into_iter().map(|job| job.join().unwrap()).collect();
    for (number, outcome) in outcomes.iter().enumerate() {
        match number % 4 {
            0 => assert!(matches!(outcome, Err(StoreError::Stale(_)))),
            1 => assert!(matches!(outcome, Err(StoreError::Panicked))),
            _ => assert!(outcome.is_ok(), "{outcome:?}"),
        }
    }
    assert_eq!(bench.store.head().id.get(), before + 11);
    assert_eq!(bench.rollup(), (101, 11));
    assert!(heads.has_changed().unwrap());
    bench.assert_chained();
}

#[test]
fn a_row_that_changed_meanwhile_is_not_written_over() {
    let bench = Bench::new();
    let id = bench.store.write(bench.insert("f", 1)).unwrap();
    let read = || {
        bench
            .store
            .read(|connection| nodes::by_id(connection, id))
            .unwrap()
            .unwrap()
    };
    let grow = |before: Node| {
        bench.store.write(move |tx| {
            let mut after = before.clone();
            after.facts.size_bytes += 1;
            tx.change(&Cause::default(), Verb::Updated, Some(&before), &mut after)
        })
    };
    let stale = read();
    grow(read()).unwrap();
    let head = bench.store.head();
    assert!(matches!(grow(stale), Err(StoreError::Stale(it)) if it == id));
    assert_eq!(bench.store.head(), head);
    assert_eq!((read().version, bench.rollup()), (2, (2, 1)));
}

#[test]
fn one_path_never_names_two_nodes() {
    let bench = Bench::new();
    bench.store.write(bench.insert("f", 1)).unwrap();
    let error = bench.store.write(bench.insert("f", 2)).unwrap_err();
    assert!(matches!(error, StoreError::Sqlite(_)), "{error}");
    assert_eq!(bench.rollup(), (1, 1));
}

#[test]
fn ids_are_not_given_out_twice_and_nothing_is_lost_over_a_restart() {
    let bench = Bench::new();
    let ids = bench.store.allocate_node_ids(5);
    let last = bench.store.write(bench.insert("f", 7)).unwrap();
    assert!(last >= ids.end);
    let head = bench.store.head();
    bench.store.close();
    let refused = bench.store.write(bench.insert("g", 1)).unwrap_err();
    assert!(matches!(refused, StoreError::Closed));
    let store = open(&bench.dir);
    assert_eq!(store.head(), head);
    let bench = Bench { store, ..bench };
    assert!(bench.store.write(bench.insert("g", 1)).unwrap() > last);
    assert_eq!(bench.rollup(), (8, 2));
    bench.assert_chained();
}

#[test]
fn a_directory_that_moves_takes_its_totals_along_whatever_changed_with_it() {
    let bench = Bench::new();
    let (mount_id, root) = (bench.root.mount_id, bench.root.clone());
    let outcome = bench.store.write(move |tx| {
        let cause = Cause::default();
        let insert = |tx: &mut WriteTx<'_>, parent: &Node, name: &str, kind, size| {
            let path = node::join(&parent.path, name);
            let mut node = Node::new(mount_id, Some(parent.id), path, facts(kind, size));
            tx.change(&cause, Verb::Created, None, &mut node)
                .map(|_| node)
        };
        let a = insert(tx, &root, "a", NodeKind::Directory, 0)?;
        let b = insert(tx, &root, "b", NodeKind::Directory, 0)?;
        let inner = insert(tx, &a, "inner", NodeKind::Directory, 0)?;
        insert(tx, &inner, "f", NodeKind::File, 5)?;
        let (inner, moved) = tx.move_tree(&cause, &inner, &b, "inner", &HashMap::new())?;
        insert(tx, &inner, "g", NodeKind::File, 7)?;
        let removed = tx.remove_tree(&cause, Verb::Deleted, &a)?.1;
        Ok::<_, StoreError>((b.id, inner.id, moved, removed))
    });
    let (b, inner, moved, removed) = outcome.unwrap();
    assert_eq!((moved, removed), (2, 1));
    let totals = |id| {
        let rollup = bench
            .store
            .read(|connection| rollups::of(connection, id))
            .unwrap()
            .unwrap();
        (
            rollup.size_bytes,
            rollup.file_count,
            rollup.directory_count,
            rollup.child_count,
        )
    };
    assert_eq!(totals(inner), (12, 2, 0, 2));
    assert_eq!(totals(b), (12, 2, 1, 1));
    assert_eq!(totals(bench.root.id), (12, 2, 2, 1));
}
