//! What the walk saw differ, until the whole tree has been seen.
//!
//! It lies in a private temporary SQLite database: a scan's memory does not grow with the tree,
//! nor with the number of differences. The file has no name, and goes with the scan.

use super::Place;
use crate::store::listing::Listing;
use crate::walk::{Facts, Identity};
use journal::{JournalId, NodeKind};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// A name on disk without a node of the same file under that name.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// The node id it gets if it is new.
    pub(super) id: i64,
    /// The directory it was found in.
    pub(super) parent: Place,
    pub(super) name: String,
    pub(super) path: String,
    pub(super) facts: Facts,
    /// The known node that was recognised in it.
    pub(super) node: Option<i64>,
}

/// A node whose file is where it was, and has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Changed {
    pub(super) node: i64,
    /// The node's version when it was compared.
    pub(super) version: i64,
    pub(super) facts: Facts,
}

/// A node that is not where it was.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lost {
    pub(super) id: i64,
    pub(super) node: i64,
    /// The node itself has a place; its children are to be looked at.
    pub(super) is_tree: bool,
}

/// A directory whose nodes agree with its listing.
#[derive(Clone, Debug)]
pub(super) struct Agreeing {
    pub(super) id: i64,
    pub(super) node: i64,
    pub(super) listing: Listing,
    /// The last entry that the comparison is sure to have seen.
    pub(super) seen_at: JournalId,
}

#[derive(Debug)]
pub(super) struct Scratch {
    db: Connection,
}

type Result<T> = rusqlite::Result<T>;

impl Scratch {
    pub(super) fn open() -> Result<Self> {
        let db = Connection::open("")?;
        db.execute_batch(include_str!("scratch.sql"))?;
        // One transaction that never commits: nothing of it is to outlive the scan.
        db.execute_batch("BEGIN")?;
        db.set_prepared_statement_cache_capacity(32);
        Ok(Self { db })
    }

    pub(super) fn add_found(&self, found: &Found) -> Result<()> {
        let (parent, parent_is_found) = match found.parent {
            Place::Node(id) => (id, false),
            Place::Found(id) => (id, true),
        };
        let (facts, identity) = (found.facts, found.facts.identity);
        self.db
            .prepare_cached("INSERT INTO found VALUES (?,?,?,?,?,?,?,?,?,?,?,?,NULL)")?
            .execute(params![
                found.id,
                parent,
                parent_is_found,
                found.name,
                found.path,
                facts.is_directory(),
                facts.is_symlink,
                facts.size_bytes,
                facts.modified_ns,
                identity.dev,
                identity.ino,
                identity.born_ns,
            ])?;
        Ok(())
    }

    pub(super) fn add_changed(&self, changed: &Changed) -> Result<()> {
        let (facts, identity) = (changed.facts, changed.facts.identity);
        self.db
            .prepare_cached("INSERT OR IGNORE INTO changed VALUES (?,?,?,?,?,?,?,?,?)")?
            .execute(params![
                changed.node,
                changed.version,
                facts.is_directory(),
                facts.is_symlink,
                facts.size_bytes,
                facts.modified_ns,
                identity.dev,
                identity.ino,
                identity.born_ns,
            ])?;
        Ok(())
    }

    pub(super) fn add_lost(&self, node: i64, is_tree: bool) -> Result<()> {
        self.db
            .prepare_cached("INSERT INTO lost (node, is_tree) VALUES (?, ?)")?
            .execute((node, is_tree))?;
        Ok(())
    }

    pub(super) fn add_agreeing(&self, agreeing: &Agreeing) -> Result<()> {
        let directories = agreeing
            .listing
            .directories
            .iter()
            .flat_map(|id| id.to_le_bytes());
        self.db
            .prepare_cached("INSERT INTO agreeing VALUES (NULL, ?, ?, ?, ?)")?
            .execute(params![
                agreeing.node,
                agreeing.listing.digest,
                directories.collect::<Vec<_>>(),
                agreeing.seen_at.as_i64()
            ])?;
        Ok(())
    }

    pub(super) fn has_agreeing(&self) -> Result<bool> {
        self.db
            .prepare_cached("SELECT 1 FROM agreeing LIMIT 1")?
            .exists([])
    }

    pub(super) fn agreeing_after(&self, id: i64, limit: usize) -> Result<Vec<Agreeing>> {
        let sql = "SELECT id, node, digest, directories, seen_at FROM agreeing
            WHERE id > ? ORDER BY id LIMIT ?";
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map((id, limit.cast_signed()), |row| {
            let ids = row.get_ref(3)?.as_blob()?;
            let ids = ids.as_chunks().0.iter().copied().map(i64::from_le_bytes);
            let listing = Listing {
                digest: row.get(2)?,
                directories: ids.collect(),
            };
            let seen_at = JournalId::from_i64(row.get(4)?);
            Ok(Agreeing {
                id: row.get(0)?,
                node: row.get(1)?,
                listing,
                seen_at,
            })
        })?;
        rows.collect()
    }

    /// How many differences there are.
    pub(super) fn len(&self) -> Result<u64> {
        let sql = "SELECT (SELECT count(*) FROM found) + (SELECT count(*) FROM changed)
            + (SELECT count(*) FROM lost)";
        self.db
            .query_row(sql, [], |row| row.get::<_, i64>(0))
            .map(i64::cast_unsigned)
    }

    pub(super) fn found_after(&self, id: i64, limit: usize) -> Result<Vec<Found>> {
        let sql = "SELECT * FROM found WHERE id > ? ORDER BY id LIMIT ?";
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map((id, limit.cast_signed()), |row| {
            let parent = row.get("parent")?;
            let parent_is_found = row.get("parent_is_found")?;
            Ok(Found {
                id: row.get("id")?,
                parent: if parent_is_found {
                    Place::Found(parent)
                } else {
                    Place::Node(parent)
                },
                name: row.get("name")?,
                path: row.get("path")?,
                facts: facts(row)?,
                node: row.get("node")?,
            })
        })?;
        rows.collect()
    }

    /// Whether another object with the same contents was found.
    pub(super) fn has_twin(&self, found: &Found) -> Result<bool> {
        let sql = "SELECT 1 FROM found WHERE dev = -1 AND ino = ? AND size_bytes = ? AND id <> ?";
        let identity = found.facts.identity;
        self.db
            .prepare_cached(sql)?
            .exists((identity.ino, found.facts.size_bytes, found.id))
    }

    pub(super) fn changed_after(&self, node: i64, limit: usize) -> Result<Vec<Changed>> {
        let sql = "SELECT * FROM changed WHERE node > ? ORDER BY node LIMIT ?";
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map((node, limit.cast_signed()), |row| {
            Ok(Changed {
                node: row.get("node")?,
                version: row.get("version")?,
                facts: facts(row)?,
            })
        })?;
        rows.collect()
    }

    pub(super) fn lost_after(&self, id: i64, limit: usize) -> Result<Vec<Lost>> {
        let sql = "SELECT id, node, is_tree FROM lost WHERE id > ? ORDER BY id LIMIT ?";
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map((id, limit.cast_signed()), |row| {
            Ok(Lost {
                id: row.get(0)?,
                node: row.get(1)?,
                is_tree: row.get(2)?,
            })
        })?;
        rows.collect()
    }

    /// This name on disk is this known node.
    pub(super) fn recognise(&self, found: i64, node: i64) -> Result<()> {
        self.db
            .prepare_cached("UPDATE found SET node = ? WHERE id = ?")?
            .execute((node, found))?;
        self.add_matched(node)
    }

    /// This name is not there any more: it is treated as if it had not been found.
    pub(super) fn forget(&self, found: &Found) -> Result<()> {
        self.db
            .prepare_cached("DELETE FROM found WHERE id = ?")?
            .execute([found.id])?;
        if found.facts.is_directory() {
            self.resolve(found.id, None)
        } else {
            Ok(())
        }
    }

    pub(super) fn add_matched(&self, node: i64) -> Result<()> {
        self.db
            .prepare_cached("INSERT OR IGNORE INTO matched VALUES (?)")?
            .execute([node])?;
        Ok(())
    }

    /// This known node is not there after all.
    pub(super) fn remove_matched(&self, node: i64) -> Result<()> {
        self.db
            .prepare_cached("DELETE FROM matched WHERE node = ?")?
            .execute([node])?;
        Ok(())
    }

    /// Whether the node has a place.
    pub(super) fn is_matched(&self, node: i64) -> Result<bool> {
        self.db
            .prepare_cached("SELECT 1 FROM matched WHERE node = ?")?
            .exists([node])
    }

    /// The found directory is this node; none at all, if `None`.
    pub(super) fn resolve(&self, found: i64, node: Option<i64>) -> Result<()> {
        self.db
            .prepare_cached("INSERT OR REPLACE INTO resolved VALUES (?, ?)")?
            .execute((found, node))?;
        Ok(())
    }

    /// The node that a directory is; `None` if it turned out to be none.
    pub(super) fn node_at(&self, place: Place) -> Result<Option<i64>> {
        let found = match place {
            Place::Node(id) => return Ok(Some(id)),
            Place::Found(id) => id,
        };
        let resolved = self
            .db
            .prepare_cached("SELECT node FROM resolved WHERE found = ?")?
            .query_row([found], |row| row.get::<_, Option<i64>>(0))
            .optional()?;
        Ok(resolved.unwrap_or(Some(found)))
    }
}

fn facts(row: &Row<'_>) -> Result<Facts> {
    let is_directory = row.get("is_directory")?;
    Ok(Facts {
        kind: if is_directory {
            NodeKind::Directory
        } else {
            NodeKind::File
        },
        is_symlink: row.get("is_symlink")?,
        size_bytes: row.get("size_bytes")?,
        modified_ns: row.get("modified_ns")?,
        identity: Identity {
            dev: row.get("dev")?,
            ino: row.get("ino")?,
            born_ns: row.get("born_ns")?,
        },
    })
}
