//! The database file: opened, brought to this version's schema, and looked over.

use super::entries::Entries;
use super::meta::{self, Meta};
use super::{Head, OpenError, StoreError};
use journal::{Clock, Digest, Epoch, JournalId, Mark};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, params};
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
    include_str!("sql/schema_9.sql"),
    include_str!("sql/schema_10.sql"),
    include_str!("sql/schema_11.sql"),
    include_str!("sql/schema_12.sql"),
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
    keep_plans(&connection).map_err(failed)?;
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
    let meta = meta::read(&connection).map_err(|error| damaged(error.reason()))?;
    check(&connection, &meta).map_err(damaged)?;
    Ok((connection, meta))
}

/// A statement is planned once, whatever values are bound to it. Otherwise SQLite plans some of them
/// anew for each value, for one that asks for mount 1 by an index on a part of the rows; that takes ten
/// times as long as the statement. Conditions that are to lead to such an index are written out.
pub(super) fn keep_plans(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
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

/// Applies what is missing, and gives the version found. Each step is one transaction with its
/// version number, so whatever ends the process, the next start goes on with the step that is due. A
/// new file is made in one.
fn migrate(connection: &mut Connection, clock: &dyn Clock) -> rusqlite::Result<i64> {
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let applied = usize::try_from(found).unwrap_or(0);
    if applied == 0 {
        make(connection, clock)?;
        return Ok(found);
    }
    for (step, version) in MIGRATIONS.iter().zip(1_i64..).skip(applied) {
        let tx = connection.transaction()?;
        tx.execute_batch(step)?;
        tx.pragma_update(None, "user_version", version)?;
        tx.commit()?;
    }
    Ok(found)
}

fn make(connection: &mut Connection, clock: &dyn Clock) -> rusqlite::Result<()> {
    let tx = connection.transaction()?;
    for step in MIGRATIONS {
        tx.execute_batch(step)?;
    }
    let epoch = Epoch::generate();
    tx.execute(
        include_str!("sql/insert_meta.sql"),
        params![
            epoch.as_bytes(),
            Digest::genesis(epoch).as_bytes(),
            clock.now().as_millis()
        ],
    )?;
    tx.pragma_update(None, "user_version", known_version())?;
    tx.commit()
}

/// The journal's end is where the meta row says, without a gap, and its digests chain.
fn check(connection: &Connection, meta: &Meta) -> Result<(), String> {
    let reason = |error: StoreError| error.reason();
    let entries = Entries::new(connection, None);
    let last = entries.last().map_err(reason)?.unwrap_or(meta.trimmed.id);
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
    let Some(digest) = entries.digest_at(meta, after).map_err(reason)? else {
        return Err(format!("entry {after} is missing"));
    };
    let last = entries.verify(Head { id: after, digest }).map_err(reason)?;
    if last != meta.head {
        return Err(format!(
            "entry {} has another digest than was committed",
            meta.head.id
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
