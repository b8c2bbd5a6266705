//! Files of earlier versions are brought over.

use super::*;
use crate::{Catalogue, ReadTx, rollups};
use journal::SystemClock;
use rusqlite::types::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// The database of a filestore of version 6, as SQL: a small tree, with a move, a deletion, hard links,
/// a trimmed journal, a mount's settings, and commands that were cut off.
const BEFORE: &str = include_str!("../../tests/before/filestore.sql");

/// A data directory of that version.
struct DataDirectory(tempfile::TempDir);

impl DataDirectory {
    fn of_before() -> Self {
        let directory = Self(tempfile::tempdir().unwrap());
        directory.connection().execute_batch(BEFORE).unwrap();
        assert_eq!(directory.version(), 6);
        directory
    }

    fn database(&self) -> PathBuf {
        self.0.path().join("filestore.db")
    }

    fn connection(&self) -> Connection {
        Connection::open(self.database()).unwrap()
    }

    fn version(&self) -> i64 {
        let connection = self.connection();
        let version = connection.pragma_query_value(None, "user_version", |row| row.get(0));
        version.unwrap()
    }

    fn catalogue(&self) -> Catalogue {
        Catalogue::open(self.0.path(), &self.database(), Arc::new(SystemClock)).unwrap()
    }

    /// The rows of all tables in some columns of each.
    fn rows(&self, columns: &BTreeMap<String, Vec<String>>) -> BTreeMap<String, Vec<Vec<Value>>> {
        let connection = self.connection();
        let rows = |(table, columns): (&String, &Vec<String>)| {
            let columns: Vec<_> = columns.iter().map(|it| format!("\"{it}\"")).collect();
            let columns = columns.join(", ");
            let sql = format!("SELECT {columns} FROM {table} ORDER BY {columns}");
            let mut statement = connection.prepare(&sql).unwrap();
            let count = statement.column_count();
            let row = statement.query_map([], |row| {
                (0..count)
                    .map(|at| row.get(at))
                    .collect::<rusqlite::Result<Vec<Value>>>()
            });
            let rows = row.unwrap().collect::<rusqlite::Result<Vec<Vec<Value>>>>();
            (table.clone(), rows.unwrap())
        };
        columns.iter().map(rows).collect()
    }

    /// The columns of each table.
    fn columns(&self) -> BTreeMap<String, Vec<String>> {
        let connection = self.connection();
        let sql = "SELECT t.name, c.name FROM sqlite_master t, pragma_table_info(t.name) c
            WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'";
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        let mut columns: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in rows.unwrap() {
            let (table, column) = row.unwrap();
            columns.entry(table).or_default().push(column);
        }
        columns
    }
}

#[test]
fn a_database_of_the_version_before_has_everything_that_it_had() {
    let directory = DataDirectory::of_before();
    let columns = directory.columns();
    let before = directory.rows(&columns);
    for table in [
        "nodes",
        "rollups",
        "journal",
        "mounts",
        "former_identities",
        "intents",
    ] {
        assert!(!before[table].is_empty(), "there is something in {table}");
    }
    let meta = meta::read(&directory.connection()).unwrap();
    assert!(meta.trimmed.id > JournalId::ZERO, "it was trimmed");

    let catalogue = directory.catalogue();
    assert_eq!(catalogue.epoch(), meta.epoch);
    assert_eq!(catalogue.head(), meta.head);
    assert_eq!(catalogue.check().unwrap(), []);
    catalogue.close();
    assert_eq!(directory.version(), known_version());
    let after = directory.rows(&columns);
    for (table, rows) in before {
        assert_eq!(after[&table], rows, "{table}");
    }
    let added = directory.columns();
    let is_new = |table: &&String| !columns.contains_key(*table);
    let tables: Vec<_> = added.keys().filter(is_new).collect();
    let new = [
        "doubted_hashes",
        "intent_paths",
        "journal_blocks",
        "long_texts",
    ];
    assert_eq!(tables, new);
    let rollups = &added["rollups"];
    assert!(rollups.contains(&"size_high".to_owned()), "{rollups:?}");

    // It is opened again as it is, and goes on.
    let catalogue = directory.catalogue();
    assert_eq!(catalogue.head(), meta.head);
}

/// The files as they are on the disk, whatever a process has in memory: what a kill leaves.
fn killed(directory: &DataDirectory) -> DataDirectory {
    let copy = DataDirectory(tempfile::tempdir().unwrap());
    for entry in std::fs::read_dir(directory.0.path()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.0.path().join(entry.file_name())).unwrap();
    }
    copy
}

#[test]
fn a_step_that_is_killed_in_its_middle_or_before_its_end_is_done_by_the_next_start() {
    let directory = DataDirectory::of_before();
    let columns = directory.columns();
    let before = directory.rows(&columns);
    // No room for changed pages in memory: they go to the log before there is a commit.
    let db = directory.connection();
    db.execute_batch(include_str!("../sql/writer.sql")).unwrap();
    db.execute_batch("PRAGMA cache_size = 1; PRAGMA wal_autocheckpoint = 0")
        .unwrap();
    for (step, version) in MIGRATIONS.iter().zip(1_i64..).skip(6) {
        db.execute_batch("BEGIN").unwrap();
        for (at, _) in step.match_indices(';') {
            let (done, _) = step.split_at(at + 1);
            db.execute_batch("SAVEPOINT part").unwrap();
            // What ends in a comment or within a statement is no part of the step.
            if db.execute_batch(done).is_ok() {
                let killed = killed(&directory);
                assert_eq!(killed.version(), version - 1, "{done}");
                assert_eq!(killed.rows(&columns), before, "{done}");
                let catalogue = killed.catalogue();
                assert_eq!(catalogue.check().unwrap(), [], "{done}");
                catalogue.close();
                assert_eq!(killed.version(), known_version());
            }
            db.execute_batch("ROLLBACK TO part; RELEASE part").unwrap();
        }
        db.execute_batch(step).unwrap();
        db.pragma_update(None, "user_version", version).unwrap();
        assert_eq!(killed(&directory).version(), version - 1, "not committed");
        db.execute_batch("COMMIT").unwrap();
        let between = killed(&directory);
        assert_eq!(between.version(), version, "the step and its number");
        assert_eq!(between.catalogue().check().unwrap(), []);
    }
    drop(db);
    assert_eq!(directory.rows(&columns), before);
}

#[test]
fn a_step_that_fails_leaves_the_file_as_it_was() {
    let directory = DataDirectory::of_before();
    let db = directory.connection();
    // A column of the last step is there already.
    db.execute_batch("ALTER TABLE rollups ADD COLUMN size_high INTEGER")
        .unwrap();
    drop(db);
    let columns = directory.columns();
    let opened = open(&directory.database(), &SystemClock);
    assert!(opened.is_err(), "{opened:?}");
    assert_eq!(directory.version(), 7, "the step before it is done");
    let mut now = directory.columns();
    assert!(now.remove("intent_paths").is_some());
    assert_eq!(now, columns, "and nothing of the last one");
}

const HUGE: i64 = 6 << 60;

#[test]
fn sums_of_an_earlier_version_are_exact_also_those_that_had_lost_their_last_digits() {
    let db = Connection::open_in_memory().unwrap();
    let (before, step) = MIGRATIONS.split_at(7);
    before
        .iter()
        .for_each(|step| db.execute_batch(step).unwrap());
    let nodes = [
        (1, None, "", "directory", 0),
        (2, Some(1), "d", "directory", 0),
        (3, Some(2), "d/one", "file", HUGE),
        (4, Some(2), "d/two", "file", HUGE),
        (5, Some(1), "small", "file", 5),
        (6, Some(1), "e", "directory", 0),
    ];
    for (id, parent, path, kind, size) in nodes {
        let sql = "INSERT INTO nodes (id, mount_id, parent_id, name, path, depth, kind,
                is_symlink, size_bytes, modified_ns, dev, ino, state, version,
                consistency_state, created_at, updated_at, last_journal_id)
            VALUES (?1, 1, ?2, ?3, ?3, 0, ?4, 0, ?5, 7, 0, ?1, 'active', 1, 'active', 0, 0, 1)";
        db.execute(sql, params![id, parent, path, kind, size])
            .unwrap();
    }
    let sql = "INSERT INTO rollups VALUES (?1, ?2, 0, 0, 0, 0)";
    for (id, sum) in [(1, 1.3835058055282164e19), (2, 1.3835058055282164e19)] {
        db.execute(sql, params![id, sum]).unwrap();
    }
    db.execute(sql, params![6, HUGE]).unwrap();
    step.iter().for_each(|step| db.execute_batch(step).unwrap());
    let sum = |id| {
        let rollup = rollups::of(&ReadTx::new(&db), id).unwrap().unwrap();
        rollup.size_bytes
    };
    let two = 2 * i128::from(HUGE);
    assert_eq!([sum(1), sum(2), sum(6)], [two + 5, two, i128::from(HUGE)]);
    let changed = "SELECT count(*) FROM nodes WHERE changed_ns IS NOT NULL";
    let changed: i64 = db.query_row(changed, [], |row| row.get(0)).unwrap();
    assert_eq!(changed, 0, "the next scan tells");
}
