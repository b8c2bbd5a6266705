//! What a scan asks the catalogue.

use super::ScanError;
use super::compare::Known;
use super::scratch::Found;
use super::task::At;
use crate::store::listing::{self, Listing};
use crate::store::{Node, Store, StoreError, node};
use crate::walk::{Facts, Identity};
use journal::{JournalId, NodeKind};
use rusqlite::{Connection, Row, params};

/// A known node with the device and inode number of a found name.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) id: i64,
    pub(super) path: String,
    pub(super) facts: Facts,
}

/// One thread's view of the catalogue: every question sees the last commit.
#[derive(Debug)]
pub(super) struct Lookup<'s> {
    store: &'s Store,
    connection: Connection,
    mount_id: i64,
}

impl<'s> Lookup<'s> {
    pub(super) fn open(store: &'s Store, mount_id: i64) -> Result<Self, ScanError> {
        Ok(Self {
            store,
            connection: store.open_reader()?,
            mount_id,
        })
    }

    /// The last entry whose effects the next question is sure to see.
    pub(super) fn head(&self) -> JournalId {
        self.store.head().id
    }

    /// The listing that a directory's nodes agree with, if it is known.
    pub(super) fn listing(&self, directory: i64) -> Result<Option<Listing>, ScanError> {
        Ok(listing::recall(&self.connection, directory)?)
    }

    /// Tells the nodes that are in a directory, ascending by name.
    pub(super) fn each_known(
        &self,
        directory: i64,
        mut tell: impl FnMut(&Known<'_>),
    ) -> Result<(), ScanError> {
        let mut each = || -> Result<(), StoreError> {
            let mut statement = self.connection.prepare_cached(include_str!("known.sql"))?;
            let mut rows = statement.query([directory])?;
            while let Some(row) = rows.next()? {
                tell(&known(row)?);
            }
            Ok(())
        };
        Ok(each()?)
    }

    /// Tells the node of this name that is in a directory, if there is one.
    pub(super) fn known_named(
        &self,
        directory: i64,
        name: &str,
        tell: impl FnOnce(&Known<'_>),
    ) -> Result<(), ScanError> {
        let named = || -> Result<(), StoreError> {
            let mut statement = self
                .connection
                .prepare_cached(include_str!("known_named.sql"))?;
            let mut rows = statement.query(params![directory, name])?;
            if let Some(row) = rows.next()? {
                tell(&known(row)?);
            }
            Ok(())
        };
        Ok(named()?)
    }

    /// The directories of this mount that a part of a scan names: their ids, paths and identities.
    pub(super) fn directories(&self, at: At) -> Result<Vec<Node>, ScanError> {
        let nodes = match at {
            At::Node(id) => node::by_id(&self.connection, id)?.into_iter().collect(),
            At::Identity(identity) => {
                node::directories_of(&self.connection, self.mount_id, identity)?
            }
        };
        let is_here = |node: &Node| {
            node.mount_id == self.mount_id && node.is_directory() && node.is_on_disk()
        };
        Ok(nodes.into_iter().filter(is_here).collect())
    }

    /// The nodes that may be the found name, `parent` being the node of its directory: those that
    /// are not missing first; among them those at the same path, then of missing ones those that
    /// went missing last, then those of the same parent, then those of the same name.
    pub(super) fn candidates(
        &self,
        found: &Found,
        parent: Option<i64>,
    ) -> Result<Vec<Candidate>, ScanError> {
        let Identity { dev, ino, born_ns } = found.facts.identity;
        let params = params![
            self.mount_id,
            ino,
            dev,
            born_ns,
            found.path,
            parent,
            found.name
        ];
        let candidates = || -> Result<Vec<Candidate>, StoreError> {
            let mut statement = self
                .connection
                .prepare_cached(include_str!("candidates.sql"))?;
            let candidates = statement.query_map(params, |row| {
                Ok(Candidate {
                    id: row.get(0)?,
                    path: row.get(1)?,
                    facts: facts(row, 2)?,
                })
            })?;
            Ok(candidates.collect::<Result<_, _>>()?)
        };
        Ok(candidates()?)
    }
}

fn known<'r>(row: &'r Row<'_>) -> Result<Known<'r>, StoreError> {
    Ok(Known {
        id: row.get(0)?,
        name: row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?,
        version: row.get(2)?,
        is_active: row.get(3)?,
        facts: facts(row, 4)?,
    })
}

/// The facts in the seven columns of a row from `first` on.
fn facts(row: &Row<'_>, first: usize) -> rusqlite::Result<Facts> {
    let is_directory = row.get(first)?;
    Ok(Facts {
        kind: if is_directory {
            NodeKind::Directory
        } else {
            NodeKind::File
        },
        is_symlink: row.get(first + 1)?,
        size_bytes: row.get(first + 2)?,
        modified_ns: row.get(first + 3)?,
        identity: Identity {
            dev: row.get(first + 4)?,
            ino: row.get(first + 5)?,
            born_ns: row.get(first + 6)?,
        },
    })
}
