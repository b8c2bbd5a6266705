//! A data directory of the version before is taken on.

use filestore::{Filestore, Mount, Options, ScanOptions};
use journal::NodeState;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// What a filestore of version 6 of the database left, killed while two commands ran: the catalogue's
/// own test says what is in it.
const BEFORE: &str = include_str!("../../../catalogue/tests/before/filestore.sql");

/// Where the tree was.
const ROOT: &str = "/srv/tree";

fn database(data: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(data.join("filestore.db")).unwrap()
}

/// Makes the tree that the nodes tell of, elsewhere: as from a backup.
fn restore(db: &rusqlite::Connection, root: &Path) {
    let sql = "SELECT path, kind, is_symlink, size_bytes FROM nodes
        WHERE state IN ('active', 'inconsistent') AND path <> '' ORDER BY path";
    let mut statement = db.prepare(sql).unwrap();
    let mut rows = statement.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let path: String = row.get(0).unwrap();
        let (kind, is_symlink): (String, bool) = (row.get(1).unwrap(), row.get(2).unwrap());
        let path = root.join(node::name::os_path(&path));
        if kind == "directory" {
            std::fs::create_dir(path).unwrap();
        } else if is_symlink {
            std::os::unix::fs::symlink("docs", path).unwrap();
        } else {
            let size: i64 = row.get(3).unwrap();
            let text = "x".repeat(usize::try_from(size).unwrap());
            std::fs::write(path, text).unwrap();
        }
    }
}

/// The nodes that are on disk: path to id.
fn nodes(filestore: &Filestore) -> BTreeMap<String, i64> {
    let reader = filestore.reader();
    let nodes = reader.snapshot().unwrap().nodes.map(Result::unwrap);
    let live = nodes.filter(|node| node.state == NodeState::Active);
    live.map(|node| (node.path, node.node_id)).collect()
}

fn intents(data: &Path) -> (i64, i64) {
    let count = |table: &str| {
        let sql = format!("SELECT count(*) FROM {table}");
        database(data)
            .query_row(&sql, [], |row| row.get(0))
            .unwrap()
    };
    (count("intents"), count("intent_paths"))
}

fn assert_whole(filestore: &Filestore) {
    let integrity = filestore.check_integrity().unwrap();
    let integrity = serde_json::to_value(&integrity).unwrap();
    assert_eq!(integrity["findings"], serde_json::json!([]));
}

fn mount(filestore: &Filestore) -> Mount {
    filestore.mount(1).unwrap().unwrap()
}

#[test]
fn a_filestore_of_the_version_before_goes_on_over_its_tree_restored_elsewhere() {
    let (data, tree) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (data, root) = (data.path(), tree.path());
    let db = database(data);
    db.execute_batch(BEFORE).unwrap();
    let sql = "UPDATE mounts SET root_path = ?1 WHERE root_path = ?2";
    let moved = db.execute(sql, [root.to_str().unwrap(), ROOT]);
    assert_eq!(moved.unwrap(), 1);
    restore(&db, root);
    drop(db);

    // The root is another directory, so the commands that were cut off are kept for now. What they
    // change is noted, which the version before did not do.
    let filestore = Filestore::open(Options::new(data)).unwrap();
    assert_whole(&filestore);
    assert_eq!(intents(data), (2, 3));
    let was = nodes(&filestore);
    assert!(was.len() > 15, "{was:?}");
    let settings = mount(&filestore);
    assert_eq!(settings.description.as_deref(), Some("Kept for a test"));
    assert_eq!(settings.config["hashing"]["minBytes"], 1_000);
    let head = filestore.reader().position().unwrap();
    assert!(
        filestore.scan(1, &ScanOptions::default()).is_err(),
        "is it meant?"
    );
    let options = ScanOptions {
        accept_root: true,
        ..ScanOptions::default()
    };
    let report = filestore.scan(1, &options).unwrap();
    let changes = report.changes;
    assert_eq!(
        (changes.created, changes.moved, changes.missing),
        (0, 0, 0),
        "{report:?}"
    );
    assert_eq!(nodes(&filestore), was);
    assert_whole(&filestore);
    let now = filestore.reader().position().unwrap();
    assert!(now.head > head.head && now.trimmed == head.trimmed);
    filestore.close();
    drop(filestore);

    // Now the root is known: the directory is made, and the move did not happen.
    let filestore: Arc<Filestore> = Filestore::open(Options::new(data)).unwrap();
    assert_eq!(intents(data), (0, 0));
    let mut now = nodes(&filestore);
    assert!(root.join("made/late").is_dir());
    assert!(now.remove("made").is_some() && now.remove("made/late").is_some());
    assert_eq!(now, was);
    filestore.scan(1, &ScanOptions::default()).unwrap();
    assert_eq!(nodes(&filestore).len(), was.len() + 2);
    assert_whole(&filestore);
}
