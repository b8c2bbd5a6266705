//! What a reader may do.

use super::{Names, Node, Owner};
use rusqlite::{CachedStatement, Connection};

/// One view of the catalogue: all its answers are of the same commit. A write transaction is one
/// too, which sees what it has written.
#[derive(Debug)]
pub struct ReadTx<'c> {
    connection: &'c Connection,
    names: Option<&'c dyn Names>,
}

impl<'c> ReadTx<'c> {
    pub(crate) const fn new(connection: &'c Connection) -> Self {
        Self {
            connection,
            names: None,
        }
    }

    /// One that knows users and groups by their names.
    pub(crate) const fn with_names(
        connection: &'c Connection,
        names: Option<&'c dyn Names>,
    ) -> Self {
        Self { connection, names }
    }

    pub(crate) const fn connection(&self) -> &'c Connection {
        self.connection
    }

    pub(crate) fn prepare_cached(&self, sql: &str) -> rusqlite::Result<CachedStatement<'c>> {
        self.connection.prepare_cached(sql)
    }

    /// Whose the node's file is, by name.
    #[must_use]
    pub fn owner(&self, node: &Node) -> Owner {
        Owner::of(self.names, &node.facts)
    }
}
