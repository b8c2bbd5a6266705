//! What the walk saw differ, until the whole tree has been seen.
//!
//! It lies in a private temporary SQLite database: a scan's memory does not grow with the tree,
//! nor with the number of differences. The file has no name, and goes with the scan.

use crate::facts::facts;
use crate::inode::{COLUMNS, columns, words};
use crate::listings::Listing;
use crate::moment::Column;
use journal::JournalId;
use node::Facts;
use rusqlite::{Connection, OptionalExtension, params};

/// The directory a name stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParentRef {
    /// A known node at its known place.
    Node(i64),
    /// A found directory, by the id it gets if it is new.
    Found(i64),
}

impl ParentRef {
    /// The node, or the one it gets if it is new.
    #[must_use]
    pub const fn id(self) -> i64 {
        match self {
            Self::Node(id) | Self::Found(id) => id,
        }
    }
}

/// A name on disk without a node of the same file under that name.
#[derive(Clone, Debug)]
pub struct Found {
    /// The node id it gets if it is new.
    pub id: i64,
    /// The directory it was found in.
    pub parent: ParentRef,
    /// Its name.
    pub name: String,
    /// Its path in the mount.
    pub path: String,
    /// What was seen of it.
    pub facts: Facts,
    /// The known node that was recognised in it.
    pub node: Option<i64>,
}

/// A node whose file is where it was, and has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The node.
    pub node: i64,
    /// The node's version when it was compared.
    pub version: i64,
    /// What was seen of it.
    pub facts: Facts,
    /// Nothing changed but when it was read.
    pub is_only_read: bool,
}

/// A node that is not where it was.
#[derive(Clone, Copy, Debug)]
pub struct Lost {
    /// Ascending in the order in which they are dealt with.
    pub id: i64,
    /// The node.
    pub node: i64,
    /// The node itself has a place; its children are to be looked at.
    pub is_tree: bool,
}

/// A directory whose nodes agree with its listing.
#[derive(Clone, Debug)]
pub struct Agreeing {
    /// Ascending in the order in which they are dealt with.
    pub id: i64,
    /// The directory.
    pub node: i64,
    /// What it was seen to be.
    pub listing: Listing,
    /// The last entry that the comparison is sure to have seen.
    pub seen_at: JournalId,
}

/// What the walk saw differ.
#[derive(Debug)]
pub struct Scratch {
    db: Connection,
}

/// What was seen cannot be kept, or not be found again.
#[derive(Debug, thiserror::Error)]
pub enum ScratchError {
    /// The temporary database cannot be made.
    #[error("the scan's temporary database cannot be made in {}", temp_directory().display())]
    Make(#[source] std::io::Error),
    /// A statement fails.
    #[error("{}", advice(.0))]
    Sqlite(#[from] rusqlite::Error),
}

/// How many columns facts take in its tables.
const FACTS: usize = 8 + COLUMNS + 3;

/// Where temporary databases lie: where `TMPDIR` says, else `/tmp`.
fn temp_directory() -> std::path::PathBuf {
    std::env::temp_dir()
}

fn advice(error: &rusqlite::Error) -> String {
    let directory = temp_directory();
    let directory = directory.display();
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => format!(
            "the disk of the temporary directory {directory} is full, and a scan keeps there what \
             it found: make room there, or set TMPDIR to a directory with room and start again"
        ),
        _ => format!("the scan's temporary database in {directory} failed"),
    }
}

type Result<T> = std::result::Result<T, ScratchError>;

impl Scratch {
    /// An empty one.
    ///
    /// # Errors
    /// The temporary database fails.
    pub fn open() -> Result<Self> {
        Self::open_in(&temp_directory())
    }

    fn open_in(directory: &std::path::Path) -> Result<Self> {
        let file = tempfile::Builder::new()
            .prefix("tidemark-scan-")
            .tempfile_in(directory)
            .map_err(ScratchError::Make)?;
        let db = Connection::open(file.path())?;
        db.execute_batch(include_str!("sql/scratch.sql"))?;
        // It is open, and from now on it has no name.
        drop(file);
        // One transaction that never commits: nothing of it is to outlive the scan.
        db.execute_batch("BEGIN")?;
        db.set_prepared_statement_cache_capacity(32);
        Ok(Self { db })
    }

    /// A name is there.
    ///
    /// # Errors
    /// The temporary database fails.
    pub fn add_found(&self, found: &Found) -> Result<()> {
        let (parent, parent_is_found) = match found.parent {
            ParentRef::Node(id) => (id, false),
            ParentRef::Found(id) => (id, true),
        };
        let (facts, identity) = (found.facts, found.facts.identity);
        let [mode, uid, gid, links, allocated, attributes, link, accessed] = columns(facts.inode);
        let [class, owner] = words(facts.object);
        self.db
            .prepare_cached(
                "INSERT INTO found VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,NULL)",
            )?
            .execute(params![
                found.id,
                parent,
                parent_is_found,
                found.name,
                found.path,
                facts.is_directory(),
                facts.is_symlink,
                facts.size_bytes,
                facts.modified_ns.map(Column),
                identity.dev,
                identity.ino,
                identity.born_ns.map(Column),
                facts.changed_ns.map(Column),
                mode,
                uid,
                gid,
                links,
                allocated,
                attributes,
                link,
                accessed,
                class,
                owner,
                facts.object.tags,
            ])?;
        Ok(())
    }

    /// A node has changed.
    ///
    /// # Errors
    /// The temporary database fails.
    pub fn add_changed(&self, changed: &Changed) -> Result<()> {
        let (facts, identity) = (changed.facts, changed.facts.identity);
        let [mode, uid, gid, links, allocated, attributes, link, accessed] = columns(facts.inode);
        let [class, owner] = words(facts.object);
        self.db
            .prepare_cached(
                "INSERT OR IGNORE INTO changed VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            )?
            .execute(params![
                changed.node,
                changed.version,
                facts.is_directory(),
                facts.is_symlink,
                facts.size_bytes,
                facts.modified_ns.map(Column),
                identity.dev,
                identity.ino,
                identity.born_ns.map(Column),
                facts.changed_ns.map(Column),
                mode,
                uid,
                gid,
                links,
                allocated,
                attributes,
                link,
                accessed,
                class,
                owner,
                facts.object.tags,
                changed.is_only_read,
            ])?;
        Ok(())
    }

    /// A node is not where it was.
    ///
    /// # Errors
    /// The temporary database fails.
    pub fn add_lost(&self, node: i64, is_tree: bool) -> Result<()> {
        self.db
            .prepare_cached("INSERT INTO lost (node, is_tree) VALUES (?, ?)")?
            .execute((node, is_tree))?;
        Ok(())
    }

    /// A directory is as its nodes say.
    ///
    /// # Errors
    /// The temporary database fails.
    pub fn add_agreeing(&self, agreeing: &Agreeing) -> Result<()> {
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

    /// Whether any directory is.
    ///
    /// # Errors
    /// The temporary database fails.
    pub fn has_agreeing(&self) -> Result<bool> {
        let found = self
            .db
            .prepare_cached("SELECT 1 FROM agreeing LIMIT 1")?
            .exists([]);
        Ok(found?)
    }

    /// The next of them.
    ///
    /// # Errors
    /// The temporary database fails.
    pub fn agreeing_after(&self, id: i64, limit: usize) -> Result<Vec<Agreeing>> {
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
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// How many differences there are.
    ///
    /// # Errors
    /// The temporary database fails.
    pub fn differences(&self) -> Result<u64> {
        let sql = "SELECT (SELECT count(*) FROM found) + (SELECT count(*) FROM changed)
            + (SELECT count(*) FROM lost)";
        let count = self.db.query_row(sql, [], |row| row.get::<_, i64>(0))?;
        Ok(count.cast_unsigned())
    }

    /// How many of them are files that were only read.
    ///
    /// # Errors
    /// The temporary database fails.
    pub fn reads(&self) -> Result<u64> {
        let sql = "SELECT count(*) FROM changed WHERE is_only_read";
        let count = self.db.query_row(sql, [], |row| row.get::<_, i64>(0))?;
        Ok(count.cast_unsigned())
    }

    /// The next found names.
    ///
    /// # Errors
    /// The temporary database fails.
    pub fn found_after(&self, id: i64, limit: usize) -> Result<Vec<Found>> {
        self.found(
            "SELECT * FROM found WHERE id > ? ORDER BY id LIMIT ?",
            id,
            limit,
        )
    }

    /// This name is matched when all others are.
    ///
    /// # Errors
    /// The temporary database fails.
    pub fn postpone(&self, found: i64) -> Result<()> {
        self.db
            .prepare_cached("INSERT OR IGNORE INTO postponed VALUES (?)")?
            .execute([found])?;
        Ok(())
    }

    /// The next names that are matched when all others are.
    ///
    /// # Errors
    /// The temporary database fails.
    pub fn postponed_after(&self, id: i64, limit: usize) -> Result<Vec<Found>> {
        let sql = "SELECT found.* FROM postponed JOIN found ON found.id = postponed.found
            WHERE postponed.found > ? ORDER BY postponed.found LIMIT ?";
        self.found(sql, id, limit)
    }

    fn found(&self, sql: &str, id: i64, limit: usize) -> Result<Vec<Found>> {
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map((id, limit.cast_signed()), |row| {
            let parent = row.get(1)?;
            let parent_is_found = row.get(2)?;
            Ok(Found {
                id: row.get(0)?,
                parent: if parent_is_found {
                    ParentRef::Found(parent)
                } else {
                    ParentRef::Node(parent)
                },
                name: row.get(3)?,
                path: row.get(4)?,
                facts: facts(row, 5)?,
                node: row.get(5 + FACTS)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Whether another object with the same contents was found.
    ///
    /// # Errors
    /// The temporary database fails.
    pub fn has_twin(&self, found: &Found) -> Result<bool> {
        let sql = "SELECT 1 FROM found WHERE dev = -1 AND ino = ? AND size_bytes = ? AND id <> ?";
        let identity = found.facts.identity;
        let found =
            self.db
                .prepare_cached(sql)?
                .exists((identity.ino, found.facts.size_bytes, found.id));
        Ok(found?)
    }

    /// The next changed nodes.
    ///
    /// # Errors
    /// The temporary database fails.
    pub fn changed_after(&self, node: i64, limit: usize) -> Result<Vec<Changed>> {
        let sql = "SELECT * FROM changed WHERE node > ? ORDER BY node LIMIT ?";
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map((node, limit.cast_signed()), |row| {
            Ok(Changed {
                node: row.get(0)?,
                version: row.get(1)?,
                facts: facts(row, 2)?,
                is_only_read: row.get(2 + FACTS)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The next lost nodes.
    ///
    /// # Errors
    /// The temporary database fails.
    pub fn lost_after(&self, id: i64, limit: usize) -> Result<Vec<Lost>> {
        let sql = "SELECT id, node, is_tree FROM lost WHERE id > ? ORDER BY id LIMIT ?";
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map((id, limit.cast_signed()), |row| {
            Ok(Lost {
                id: row.get(0)?,
                node: row.get(1)?,
                is_tree: row.get(2)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// This name on disk is this known node.
    ///
    /// # Errors
    /// The temporary database fails.
    pub fn recognise(&self, found: i64, node: i64) -> Result<()> {
        self.db
            .prepare_cached("UPDATE found SET node = ? WHERE id = ?")?
            .execute((node, found))?;
        self.add_matched(node)
    }

    /// This name is not there any more: it is treated as if it had not been found.
    ///
    /// # Errors
    /// The temporary database fails.
    pub fn forget(&self, found: &Found) -> Result<()> {
        self.db
            .prepare_cached("DELETE FROM found WHERE id = ?")?
            .execute([found.id])?;
        if found.facts.is_directory() {
            self.resolve(found.id, None)
        } else {
            Ok(())
        }
    }

    /// This node has a place.
    ///
    /// # Errors
    /// The temporary database fails.
    pub fn add_matched(&self, node: i64) -> Result<()> {
        self.db
            .prepare_cached("INSERT OR IGNORE INTO matched VALUES (?)")?
            .execute([node])?;
        Ok(())
    }

    /// This known node is not there after all.
    ///
    /// # Errors
    /// The temporary database fails.
    pub fn remove_matched(&self, node: i64) -> Result<()> {
        self.db
            .prepare_cached("DELETE FROM matched WHERE node = ?")?
            .execute([node])?;
        Ok(())
    }

    /// Whether the node has a place.
    ///
    /// # Errors
    /// The temporary database fails.
    pub fn is_matched(&self, node: i64) -> Result<bool> {
        let found = self
            .db
            .prepare_cached("SELECT 1 FROM matched WHERE node = ?")?
            .exists([node]);
        Ok(found?)
    }

    /// Whether the node was not where it was known to be.
    ///
    /// # Errors
    /// The temporary database fails.
    pub fn is_lost(&self, node: i64) -> Result<bool> {
        let found = self
            .db
            .prepare_cached("SELECT 1 FROM lost WHERE node = ?")?
            .exists([node]);
        Ok(found?)
    }

    /// The found directory is this node; none at all, if `None`.
    ///
    /// # Errors
    /// The temporary database fails.
    pub fn resolve(&self, found: i64, node: Option<i64>) -> Result<()> {
        self.db
            .prepare_cached("INSERT OR REPLACE INTO resolved VALUES (?, ?)")?
            .execute((found, node))?;
        Ok(())
    }

    /// The node that a directory is; `None` if it turned out to be none.
    ///
    /// # Errors
    /// The temporary database fails.
    pub fn node_at(&self, place: ParentRef) -> Result<Option<i64>> {
        let found = match place {
            ParentRef::Node(id) => return Ok(Some(id)),
            ParentRef::Found(id) => id,
        };
        let resolved = self
            .db
            .prepare_cached("SELECT node FROM resolved WHERE found = ?")?
            .query_row([found], |row| row.get::<_, Option<i64>>(0))
            .optional()?;
        Ok(resolved.unwrap_or(Some(found)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_named_with_the_way_out() {
        let disk = testkit::SmallDisk::mount(1 << 20);
        let scratch = Scratch::open_in(disk.path()).unwrap();
        assert_eq!(
            std::fs::read_dir(disk.path()).unwrap().count(),
            0,
            "it has no name"
        );
        disk.fill();
        let lose = |node| scratch.add_lost(node, false);
        let error = (0..10_000_000).find_map(|node| lose(node).err()).unwrap();
        let text = error.to_string();
        let directory = temp_directory().display().to_string();
        assert!(
            text.contains(&directory) && text.contains("TMPDIR"),
            "{text}"
        );
    }
}
