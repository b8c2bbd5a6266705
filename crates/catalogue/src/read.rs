//! What a reader may do.

use rusqlite::{CachedStatement, Connection};

/// One view of the catalogue: all its answers are of the same commit. A write transaction is one
/// too, which sees what it has written.
#[derive(Debug)]
pub struct ReadTx<'c>(&'c Connection);

impl<'c> ReadTx<'c> {
    pub(crate) const fn new(connection: &'c Connection) -> Self {
        Self(connection)
    }

    pub(crate) const fn connection(&self) -> &'c Connection {
        self.0
    }

    pub(crate) fn prepare_cached(&self, sql: &str) -> rusqlite::Result<CachedStatement<'c>> {
        self.0.prepare_cached(sql)
    }
}
