//! Entries that are sealed: by the jobs that append many, by the writer, and in files of before.

use super::*;
use crate::check::Part;
use crate::entries::{self, Entries};
use crate::{OpenError, meta};
use journal::{Entry, ReadError, conformance};
use rusqlite::Connection;
use std::path::Path;
use std::time::Duration;

const MANY: usize = 10_000;

impl Bench {
    /// Makes so many files by one job.
    fn insert_many(&self, prefix: &str, count: usize) -> Result<(), StoreError> {
        let jobs: Vec<_> = (0..count)
            .map(|at| self.insert(&format!("{prefix}{at}"), 1))
            .collect();
        self.store.write(move |tx| {
            for job in jobs {
                job(tx)?;
            }
            Ok(())
        })
    }

    /// Makes so many files by a job each.
    fn insert_singly(&self, count: u64) {
        let submit = |at| {
            let job = self.insert(&format!("f{at}"), 1);
            self.store.submit(job).unwrap()
        };
        let jobs: Vec<_> = (0..count).map(submit).collect();
        for job in jobs {
            job.wait().unwrap();
        }
    }

    fn connection(&self) -> Connection {
        Connection::open(self.dir.path().join("filestore.db")).unwrap()
    }

    fn reopen(self) -> Self {
        self.store.close();
        let store = open(&self.dir);
        Self { store, ..self }
    }
}

fn count(connection: &Connection, table: &str) -> u64 {
    let sql = format!("SELECT count(*) FROM {table}");
    let count: i64 = connection.query_row(&sql, [], |row| row.get(0)).unwrap();
    count.unsigned_abs()
}

/// All entries that are left, read in pages of so many, each page checked against the chain.
fn all(store: &Catalogue, limit: usize) -> Vec<(Entry, String)> {
    let mut all = Vec::new();
    let mut after = store.position().unwrap().trimmed;
    loop {
        let page = JournalReader::read(store, after, limit).unwrap();
        let before = page.after_digest.unwrap();
        chain::verify(after, before, &page.entries).unwrap();
        let Some(last) = page.entries.last() else {
            return all;
        };
        after = last.id;
        all.extend(
            page.entries
                .into_iter()
                .map(|it| (it.clone(), format!("{it:?}"))),
        );
    }
}

fn texts(store: &Catalogue) -> Vec<String> {
    all(store, 1_500)
        .into_iter()
        .map(|(_, text)| text)
        .collect()
}

#[test]
fn a_large_commit_is_sealed_and_every_entry_is_as_it_was_chained() {
    let bench = Bench::new();
    bench.insert_many("f", MANY).unwrap();
    let connection = bench.connection();
    assert!(count(&connection, "journal") < 256);
    assert!(count(&connection, "journal_blocks") > 2);
    let head = bench.store.head();
    for limit in [7, 1_500, 100_000] {
        let all = all(&bench.store, limit);
        assert_eq!(all.len() as u64, head.id.get());
        assert_eq!(all.last().unwrap().0.digest, head.digest);
    }
    assert_eq!(bench.store.check().unwrap(), []);
    let before = texts(&bench.store);
    drop(connection);
    let bench = bench.reopen();
    assert_eq!(bench.store.head(), head);
    bench.store.write(bench.insert("later", 1)).unwrap();
    assert_eq!(texts(&bench.store)[..before.len()], before);
    assert_eq!(bench.store.check().unwrap(), []);
    conformance::check(&*bench.store, |count| {
        for at in 0..count {
            let name = format!("single{at}");
            bench.store.write(bench.insert(&name, 1)).unwrap();
        }
    });
}

#[test]
fn a_failed_job_takes_back_what_it_sealed_and_nothing_else() {
    let bench = Bench::new();
    for at in 0..5 {
        bench
            .store
            .write(bench.insert(&format!("before{at}"), 1))
            .unwrap();
    }
    let jobs: Vec<_> = (0..MANY)
        .map(|at| bench.insert(&format!("lost{at}"), 1))
        .collect();
    // The writer is held up, so that what follows can run in one transaction.
    let (release, held) = mpsc::channel::<()>();
    let first = bench.insert("first", 1);
    let first = bench.store.submit(move |tx| {
        held.recv().unwrap();
        first(tx)
    });
    let failing = bench.store.submit(move |tx| {
        for job in jobs {
            job(tx)?;
        }
        Err::<(), _>(StoreError::Stale(7))
    });
    let last = bench.store.submit(bench.insert("last", 1));
    release.send(()).unwrap();
    first.unwrap().wait().unwrap();
    let failed = failing.unwrap().wait().unwrap_err();
    assert!(matches!(failed, StoreError::Stale(7)), "{failed}");
    last.unwrap().wait().unwrap();
    assert_eq!(count(&bench.connection(), "journal_blocks"), 0);
    assert_eq!(bench.rollup(), (7, 7));
    bench.assert_chained();
    bench.insert_many("f", MANY).unwrap();
    assert_eq!(
        all(&bench.store, 999).len() as u64,
        bench.store.head().id.get()
    );
    assert_eq!(bench.store.check().unwrap(), []);
}

/// Waits until no more rows are left than may be.
fn wait_until_sealed(connection: &Connection) {
    testkit::wait_for(
        "the tail to be sealed",
        Duration::from_secs(60),
        || match count(connection, "journal") {
            rows if rows < entries::TAIL_ROWS => Ok(()),
            rows => Err(rows),
        },
    );
}

#[test]
fn entries_that_come_singly_are_sealed_once_there_are_thousands() {
    let bench = Bench::new();
    bench.insert_singly(entries::TAIL_ROWS + 500);
    let connection = bench.connection();
    wait_until_sealed(&connection);
    assert!(count(&connection, "journal_blocks") > 0);
    assert_eq!(
        all(&bench.store, 1_000).len() as u64,
        bench.store.head().id.get()
    );
    assert_eq!(bench.store.check().unwrap(), []);
}

/// Makes the file what the version before left: all entries are rows.
fn take_back(connection: &mut Connection) {
    let rows = {
        let mut rows = Vec::new();
        let entries = Entries::new(connection, None);
        let visit = |entry: entries::Stored<'_>| {
            rows.push((
                entry.id.as_i64(),
                entry.committed_at.as_millis(),
                entry.node_id,
                entry.event_type.as_str().to_owned(),
                entry.size_delta,
                entry.data.to_owned(),
                *entry.digest.as_bytes(),
            ));
            Ok(std::ops::ControlFlow::Continue(()))
        };
        entries.walk(JournalId::ZERO, visit).unwrap();
        rows
    };
    let tx = connection.transaction().unwrap();
    tx.execute_batch(
        "DELETE FROM journal; DROP TABLE journal_blocks; DROP TABLE long_texts;
         ALTER TABLE nodes DROP COLUMN attributes; ALTER TABLE nodes DROP COLUMN storage_class;
         ALTER TABLE nodes DROP COLUMN link_target; ALTER TABLE nodes DROP COLUMN accessed_ms;
         ALTER TABLE nodes DROP COLUMN object_owner; ALTER TABLE nodes DROP COLUMN object_tags",
    )
    .unwrap();
    for row in rows {
        tx.execute(include_str!("../sql/append.sql"), row).unwrap();
    }
    tx.pragma_update(None, "user_version", 9).unwrap();
    tx.commit().unwrap();
    connection.execute_batch("VACUUM").unwrap();
}

/// The files as they are on the disk, whatever a process has in memory: what a kill leaves.
fn killed(data: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(data).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    copy
}

fn pages(connection: &Connection) -> i64 {
    connection
        .pragma_query_value(None, "page_count", |row| row.get(0))
        .unwrap()
}

#[test]
fn a_journal_of_the_version_before_is_sealed_step_by_step_and_a_kill_loses_nothing() {
    let bench = Bench::new();
    bench.insert_many("f", MANY).unwrap();
    let (before, head) = (texts(&bench.store), bench.store.head());
    bench.store.close();
    let mut connection = bench.connection();
    take_back(&mut connection);
    let rows = count(&connection, "journal");
    assert_eq!(rows, head.id.get());
    let pages_before = pages(&connection);
    let as_before = killed(bench.dir.path());

    // Each step by itself, and what a kill leaves within it and after it.
    connection
        .execute_batch(include_str!("../sql/schema_10.sql"))
        .unwrap();
    connection.pragma_update(None, "user_version", 10).unwrap();
    let mut left = rows;
    while left >= entries::TAIL_ROWS {
        let sealed = entries::seal_oldest(&mut connection, head.id, entries::TAIL_ROWS);
        left = sealed.unwrap().unwrap();
        assert_eq!(count(&connection, "journal"), left);
        let copy = killed(bench.dir.path());
        let store = open(&copy);
        assert_eq!(store.head(), head);
        assert_eq!(texts(&store), before);
        assert_eq!(store.check().unwrap(), []);
        store.close();
    }
    assert!(
        pages(&connection) <= pages_before + 50,
        "free pages are used again"
    );
    drop(connection);

    // The writer does the same by itself.
    let store = open(&as_before);
    let connection = Connection::open(as_before.path().join("filestore.db")).unwrap();
    wait_until_sealed(&connection);
    assert_eq!((store.head(), store.epoch()), (head, bench.store.epoch()));
    assert_eq!(texts(&store), before);
    assert_eq!(store.check().unwrap(), []);
    assert!(
        pages(&connection) <= pages_before + 50,
        "free pages are used again"
    );
}

#[test]
fn a_kill_while_a_block_is_written_leaves_the_rows() {
    let bench = Bench::new();
    bench.insert_singly(1_000);
    let (before, head) = (texts(&bench.store), bench.store.head());
    bench.store.close();
    let mut connection = bench.connection();
    // No room for changed pages in memory: they go to the log before there is a commit.
    connection
        .execute_batch("PRAGMA cache_size = 1; PRAGMA wal_autocheckpoint = 0")
        .unwrap();
    let dir = bench.dir.path().to_owned();
    let copy = Arc::new(parking_lot::Mutex::new(None));
    let taken = Arc::clone(&copy);
    connection
        .commit_hook(Some(move || {
            *taken.lock() = Some(killed(&dir));
            false
        }))
        .unwrap();
    let left = entries::seal_oldest(&mut connection, head.id, 1).unwrap();
    assert_eq!(left, Some(0));
    let copy = copy.lock().take().unwrap();
    let store = open(&copy);
    let found = Connection::open(copy.path().join("filestore.db")).unwrap();
    assert_eq!(
        (count(&found, "journal"), count(&found, "journal_blocks")),
        (head.id.get(), 0)
    );
    assert_eq!(store.head(), head);
    assert_eq!(texts(&store), before);
}

#[test]
fn a_changed_byte_of_a_block_is_found_by_readers_by_the_check_and_at_start() {
    let bench = Bench::new();
    bench.insert_many("f", MANY).unwrap();
    let connection = bench.connection();
    let change = |last: i64| {
        let sql = "SELECT payload FROM journal_blocks WHERE last_id = ?1";
        let mut payload: Vec<u8> = connection.query_row(sql, [last], |row| row.get(0)).unwrap();
        let middle = payload.len() / 2;
        payload[middle] ^= 1;
        let sql = "UPDATE journal_blocks SET payload = ?2 WHERE last_id = ?1";
        connection.execute(sql, (last, payload)).unwrap();
    };
    let sql = "SELECT last_id, first_id FROM journal_blocks ORDER BY last_id";
    let mut statement = connection.prepare(sql).unwrap();
    let blocks = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    let blocks: Vec<(i64, i64)> = blocks.unwrap().map(Result::unwrap).collect();
    let (last, first) = blocks[1];
    change(last);
    let error = JournalReader::read(&*bench.store, JournalId::from_i64(first), 10).unwrap_err();
    let named = format!("journal entries {first} to {last}");
    assert!(matches!(error, ReadError::Damaged(_)), "{error}");
    assert!(error.to_string().contains(&named), "{error}");
    let found = bench.store.check().unwrap();
    let is_it = |(part, detail): &(Part, String)| *part == Part::Journal && detail.contains(&named);
    assert!(found.iter().any(is_it), "{found:?}");
    // At start only the last entries are looked at.
    let bench = bench.reopen();
    let (last, first) = blocks[blocks.len() - 1];
    change(last);
    bench.store.close();
    let database = bench.dir.path().join("filestore.db");
    let error = Catalogue::open(bench.dir.path(), &database, Arc::new(SystemClock)).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    let named = format!("journal entries {first} to {last}");
    assert!(error.to_string().contains(&named), "{error}");
}

#[test]
fn a_node_that_is_not_as_its_sealed_entry_says_is_found() {
    let bench = Bench::new();
    bench.insert_many("f", 600).unwrap();
    let connection = bench.connection();
    let found = |change: &str, node: i64| {
        connection.execute(change, [node]).unwrap();
        let found = bench.store.check().unwrap();
        let nodes = found.into_iter().filter(|(part, _)| *part == Part::Nodes);
        nodes.map(|(_, detail)| detail).collect::<Vec<_>>()
    };
    let entry = "SELECT last_journal_id FROM nodes WHERE id = ?1";
    let entry: i64 = connection
        .query_row(entry, [300], |row| row.get(0))
        .unwrap();
    let version = found("UPDATE nodes SET version = version + 1 WHERE id = ?1", 300);
    assert_eq!(
        version,
        [format!("node 300 is not as its last entry, {entry}, says")]
    );
    found("UPDATE nodes SET version = version - 1 WHERE id = ?1", 300);
    let other = found(
        "UPDATE nodes SET last_journal_id = last_journal_id + 1 WHERE id = ?1",
        300,
    );
    let entry = entry + 1;
    assert_eq!(
        other,
        [format!("node 300 is not as its last entry, {entry}, says")]
    );
    let past = found(
        "UPDATE nodes SET last_journal_id = 1000000 WHERE id = ?1",
        300,
    );
    assert_eq!(past, ["node 300 is not as its last entry, 1000000, says"]);
}

#[test]
fn what_is_trimmed_in_the_middle_of_a_block_is_gone_and_the_rest_still_chains() {
    let bench = Bench::new();
    bench.insert_many("f", MANY).unwrap();
    let before = texts(&bench.store);
    let connection = bench.connection();
    for to in [1, 700, 701, 5_000] {
        let trimmed = bench.store.trim_journal(JournalId::new(to)).unwrap();
        assert_eq!(trimmed, JournalId::new(to));
        assert_eq!(bench.store.position().unwrap().trimmed, trimmed);
        let first = "SELECT min(first_id) FROM journal_blocks";
        let first: i64 = connection.query_row(first, [], |row| row.get(0)).unwrap();
        assert_eq!(first.unsigned_abs(), to + 1);
        assert_eq!(texts(&bench.store), before[usize::try_from(to).unwrap()..]);
        conformance::check_trimmed(&*bench.store);
        assert_eq!(bench.store.check().unwrap(), []);
    }
    let bench = bench.reopen();
    let head = bench.store.head();
    assert_eq!(bench.store.trim_journal(JournalId::MAX).unwrap(), head.id);
    assert_eq!(
        count(&connection, "journal") + count(&connection, "journal_blocks"),
        0
    );
    assert_eq!(meta::read(&connection).unwrap().trimmed, head);
    bench.insert_many("g", 300).unwrap();
    assert_eq!(all(&bench.store, 100).len(), 300);
    assert_eq!(bench.store.check().unwrap(), []);
    let bench = bench.reopen();
    assert_eq!(all(&bench.store, 100).len(), 300);
}
