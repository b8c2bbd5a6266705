//! The database file: connections, migrations, and what an SQLite error means.
//!
//! WAL with `synchronous = FULL`: a commit that was answered survives a power cut. All
//! connections are this process's own (the lock file of [`process`]), and writers take turns before they
//! `BEGIN IMMEDIATE`, so the busy timeout is only for a checkpoint that another connection runs.

use crate::search;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::path::Path;
use std::time::Duration;

/// Migrations in order; the file's `user_version` counts those that it has.
const MIGRATIONS: &[&str] = &[
    include_str!("sql/001_books.sql"),
    include_str!("sql/002_commits.sql"),
    include_str!("sql/003_audit_sums.sql"),
    include_str!("sql/004_purges.sql"),
    include_str!("sql/005_names.sql"),
    include_str!("sql/006_requests_schemas.sql"),
    include_str!("sql/007_facts.sql"),
    include_str!("sql/008_names_anew.sql"),
    include_str!("sql/009_attributes.sql"),
    include_str!("sql/010_people_only.sql"),
    include_str!("sql/011_more_facts.sql"),
];

/// What does not fit is in the system's cache: two and four times as much saved no time over a
/// million entries that the sink wrote.
const CACHE_KIB: i64 = 8 << 10;

const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The sink's writes and people's.
    Writer,
    /// Reads only.
    Reader,
}

/// Why the database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DbError {
    #[error("the database is of a later version of Tidemark ({found}; this one knows {known})")]
    Newer { found: i64, known: i64 },
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

/// A connection to the database at `path`, which [`migrate`] has brought up to date.
pub(crate) fn connect(path: &Path, role: Role) -> rusqlite::Result<Connection> {
    let access = match role {
        Role::Reader => OpenFlags::SQLITE_OPEN_READ_ONLY,
        Role::Writer => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
    };
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    if role == Role::Reader {
        connection.pragma_update(None, "query_only", true)?;
        search::functions::register(&connection)?;
        return Ok(connection);
    }
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Larger steps than the default 1,000 pages: a catch-up then spends less time copying the
    // same pages back; the file is cut again after a long reader let it grow.
    connection.pragma_update(None, "wal_autocheckpoint", 4_000)?;
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    Ok(connection)
}

/// Brings the schema up to date, each migration in a transaction of its own.
pub(crate) fn migrate(connection: &mut Connection) -> Result<(), DbError> {
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(DbError::Newer { found, known });
    }
    for (version, migration) in (1_i64..).zip(MIGRATIONS) {
        if version > found {
            let transaction = connection.transaction()?;
            transaction.execute_batch(migration)?;
            transaction.pragma_update(None, "user_version", version)?;
            transaction.commit()?;
        }
    }
    Ok(())
}

/// What an SQLite error means for whoever asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The disk, or a bound on the file, leaves no room.
    Full,
    /// Locked or unreadable now; later may be fine.
    Unavailable,
    /// The statement ran into its deadline.
    Overdue,
    /// The file does not hold a sound database.
    Damaged,
    /// The statement, or a value in it, is at fault.
    Refused,
}

/// What `error` means.
pub(crate) fn fault(error: &rusqlite::Error) -> Fault {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Fault::Full,
        Some(ErrorCode::OperationInterrupted) => Fault::Overdue,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Fault::Damaged,
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::OutOfMemory
            | ErrorCode::NoLargeFileSupport
            | ErrorCode::OperationAborted,
        ) => Fault::Unavailable,
        _ => Fault::Refused,
    }
}

/// A list of texts as one parameter, for `json_each`.
pub(crate) fn json_list(texts: &[String]) -> String {
    serde_json::json!(texts).to_string()
}
