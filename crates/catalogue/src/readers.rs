//! Read-only connections, opened when they are needed and kept for the next reader.

use super::entries::Cache;
use super::{Names, ReadTx, StoreError, functions, schema};
use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Connections kept while nobody uses them.
const IDLE: usize = 8;

#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    cache: Cache,
}

impl Readers {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            idle: Mutex::default(),
            cache: Cache::default(),
        }
    }

    /// Reads within one transaction: all statements see the same commit.
    pub(super) fn read<T, E: From<StoreError>>(
        &self,
        names: Option<&dyn Names>,
        read: impl FnOnce(&ReadTx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let idle = self.idle.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.open()?,
        };
        let begin = || connection.prepare_cached("BEGIN")?.execute([]);
        begin().map_err(StoreError::from)?;
        let tx = ReadTx::with_names(&connection, names).with_cache(&self.cache);
        let outcome = read(&tx);
        let end = || connection.prepare_cached("ROLLBACK")?.execute([]);
        if end().is_ok() {
            let mut idle = self.idle.lock();
            if idle.len() < IDLE {
                idle.push(connection);
            }
        }
        outcome
    }

    pub(super) fn open(&self) -> Result<Connection, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(Duration::from_secs(10))?;
        connection.set_prepared_statement_cache_capacity(64);
        schema::keep_plans(&connection)?;
        connection.execute_batch(include_str!("sql/reader.sql"))?;
        functions::register(&connection)?;
        Ok(connection)
    }

    /// Closes what is idle.
    pub(super) fn close(&self) {
        self.idle.lock().clear();
    }
}
