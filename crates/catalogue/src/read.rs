//! What a reader may do.

use super::entries::{Cache, Entries};
use super::{Names, Node, Owner};
use rusqlite::{CachedStatement, Connection};

/// One view of the catalogue: all its answers are of the same commit. A write transaction is one
/// too, which sees what it has written.
#[derive(Debug)]
pub struct ReadTx<'c> {
    connection: &'c Connection,
    names: Option<&'c dyn Names>,
    cache: Option<&'c Cache>,
}

impl<'c> ReadTx<'c> {
    pub(crate) const fn new(connection: &'c Connection) -> Self {
        Self {
            connection,
            names: None,
            cache: None,
        }
    }

    /// One that knows users and groups by their names.
    pub(crate) const fn with_names(
        connection: &'c Connection,
        names: Option<&'c dyn Names>,
    ) -> Self {
        Self {
            connection,
            names,
            cache: None,
        }
    }

    /// Keeps the blocks of the journal that it reads.
    pub(crate) fn with_cache(mut self, cache: &'c Cache) -> Self {
        self.cache = Some(cache);
        self
    }

    pub(crate) const fn connection(&self) -> &'c Connection {
        self.connection
    }

    /// The journal.
    pub(crate) const fn entries(&self) -> Entries<'c> {
        Entries::new(self.connection, self.cache)
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
