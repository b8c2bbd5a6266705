//! The database file: opened, brought to this version's schema, and looked over.

use super::meta::{self, Meta};
use super::{OpenError, reader};
use journal::{Clock, Digest, Epoch, JournalId, Mark, chain};
use process::Chain;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, params};
use std::path::Path;

/// One script a version: the first brings an empty file to version 1.
const MIGRATIONS: &[&str] = &[
    include_str!("sql/schema_1.sql"),
    include_str!("sql/schema_2.sql"),
    include_str!("sql/schema_3.sql"),
    include_str!("sql/schema_4.sql"),
    include_str!("sql/schema_5.sql"),
    include_str!("sql/schema_6.sql"),
    include_str!("sql/schema_7.sql"),
    include_str!("sql/schema_8.sql"),
];

/// How many entries before the head are computed again on open.
const CHECKED_ENTRIES: u64 = 1_000;

/// Opens the writer's connection.
pub(super) fn open(path: &Path, clock: &dyn Clock) -> Result<(Connection, Meta), OpenError> {
    let failed = |source: rusqlite::Error| match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => OpenError::Damaged {
            path: path.to_owned(),
            reason: source.to_string(),
        },
        _ => OpenError::Database {
            path: path.to_owned(),
            source,
        },
    };
    // The path is a path and no URI: it may begin with `file:` or hold `?`, `#` and `%`.
    let flags = OpenFlags::default().difference(OpenFlags::SQLITE_OPEN_URI);
    let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(128);
    connection
        .execute_batch(include_str!("sql/writer.sql"))
        .map_err(failed)?;
    let found = migrate(&mut connection, clock).map_err(failed)?;
    let known = known_version();
    if found > known {
        return Err(OpenError::Newer {
            path: path.to_owned(),
            found,
            known,
        });
    }
    let damaged = |reason: String| OpenError::Damaged {
        path: path.to_owned(),
        reason,
    };
    let meta = meta::read(&connection).map_err(|error| damaged(Chain(&error).to_string()))?;
    check(&connection, &meta).map_err(damaged)?;
    Ok((connection, meta))
}

/// How far the journal had come, by what was noted beside it.
pub(super) fn mark(path: &Path) -> Result<Mark, OpenError> {
    Mark::of(path).map_err(|source| OpenError::Directory {
        directory: path.parent().unwrap_or(path).to_owned(),
        source,
    })
}

/// SQLite takes what it can read of its log for everything there is: the mark tells whether there
/// was more.
pub(super) fn check_mark(path: &Path, mark: &Mark, meta: &Meta) -> Result<(), OpenError> {
    let noted = mark.get().map_err(|source| OpenError::Directory {
        directory: path.parent().unwrap_or(path).to_owned(),
        source,
    })?;
    let head = meta.head.id.get();
    match noted {
        Some(noted) if noted > head => Err(OpenError::Damaged {
            path: path.to_owned(),
            reason: format!(
                "it ends at entry {head}, and entry {noted} had been committed: the end of the \
                 database or of its log is gone (if you put back an older copy of it on purpose, \
                 remove {} and start again)",
                mark.path().display()
            ),
        }),
        _ => Ok(()),
    }
}

fn known_version() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// Applies what is missing, and gives the version found.
fn migrate(connection: &mut Connection, clock: &dyn Clock) -> rusqlite::Result<i64> {
    let tx = connection.transaction()?;
    let found: i64 = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let applied = usize::try_from(found).unwrap_or(0);
    for migration in MIGRATIONS.iter().skip(applied) {
        tx.execute_batch(migration)?;
    }
    if found == 0 {
        let epoch = Epoch::generate();
        tx.execute(
            include_str!("sql/insert_meta.sql"),
            params![
                epoch.as_bytes(),
                Digest::genesis(epoch).as_bytes(),
                clock.now().as_millis()
            ],
        )?;
    }
    if found < known_version() {
        tx.pragma_update(None, "user_version", known_version())?;
    }
    tx.commit()?;
    Ok(found)
}

/// The journal's end is where the meta row says, without a gap, and its digests chain.
fn check(connection: &Connection, meta: &Meta) -> Result<(), String> {
    let message = |error: &dyn std::error::Error| Chain(error).to_string();
    let last: Option<i64> = connection
        .query_row("SELECT max(journal_id) FROM journal", [], |row| row.get(0))
        .optional()
        .map_err(|error| message(&error))?
        .flatten();
    let last = last.map_or(meta.trimmed.id, JournalId::from_i64);
    if last != meta.head.id {
        return Err(format!(
            "its last entry is {last}, and {} was committed",
            meta.head.id
        ));
    }
    let first = meta
        .head
        .id
        .get()
        .saturating_sub(CHECKED_ENTRIES)
        .max(meta.trimmed.id.get());
    let after = JournalId::new(first);
    let before = reader::digest_at(connection, meta, after).map_err(|error| message(&error))?;
    let Some(before) = before else {
        return Err(format!("entry {after} is missing"));
    };
    let mut last = (after, before);
    while last.0 < meta.head.id {
        let entries =
            reader::entries(connection, last.0, 1_000).map_err(|error| message(&error))?;
        let digest = chain::verify(last.0, last.1, &entries).map_err(|error| error.to_string())?;
        let Some(entry) = entries.last() else {
            return Err(format!("entry {} is missing", last.0.next()));
        };
        last = (entry.id, digest);
    }
    if last.1 != meta.head.digest {
        return Err(format!(
            "entry {} has another digest than was committed",
            meta.head.id
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ReadTx, rollups};

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
}
