//! An index of names, by which a part of a path is found.
//!
//! Every directory is a node of its own. So what a word finds is the nodes whose *names* have it,
//! and all that lies below them: an index of names is enough, and it is small.
//!
//! ```text
//! filestore_nodes ──names of new nodes──▶ base segments, by node id   ┐
//!        └──ids of nodes renamed later──▶ name_pending ──▶ patches    ├─▶ candidates, by node id
//!             nodes newer than the last segment, one by one ──────────┘
//! ```
//!
//! * A *gram* is three bytes of a folded name with two slashes behind it; a name of n bytes has n.
//!   A posting list holds the ids of the nodes whose names have a gram ([`grams`]). One list more
//!   holds the directories.
//! * The sink writes no index. It only notes renamed nodes that are indexed already, so catching up
//!   costs what it cost before. A thread of its own builds segments of the newest nodes
//!   ([`builder`]), small ones soon and larger ones in their place later. Each is made of the names
//!   as they are, so a segment is never changed, only replaced.
//! * A candidate may be wrong (its grams are those of a former name, or lie apart), and is looked at
//!   again. None is missing: what no segment covers is a candidate by itself ([`candidates`]).
//! * A node whose directory is not in the book is indexed by its whole path.
//!
//! SQLite's own FTS5 with trigrams was tried: as large, and fifteen times as slow to write.

pub(crate) mod builder;
pub(crate) mod candidates;
pub(crate) mod grams;

use rusqlite::{Connection, OptionalExtension};

/// A segment without its posting lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) id: i64,
    /// Ids above this one.
    pub(crate) low: i64,
    /// Ids up to this one.
    pub(crate) high: i64,
    pub(crate) nodes: i64,
    pub(crate) is_patch: bool,
}

/// All segments, base segments by their ids.
pub(crate) fn segments(connection: &Connection) -> rusqlite::Result<Vec<Segment>> {
    connection
        .prepare_cached(
            "SELECT id, low, high, nodes, ids IS NOT NULL FROM name_segments ORDER BY low, id",
        )?
        .query_map([], |row| {
            Ok(Segment {
                id: row.get(0)?,
                low: row.get(1)?,
                high: row.get(2)?,
                nodes: row.get(3)?,
                is_patch: row.get(4)?,
            })
        })?
        .collect()
}

/// Up to which node the index goes, and up to which it is being made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reach {
    pub(crate) indexed_to: i64,
    pub(crate) claimed_to: i64,
}

/// How far the index goes.
pub(crate) fn reach(connection: &Connection) -> rusqlite::Result<Reach> {
    let reach = connection
        .prepare_cached("SELECT indexed_to, claimed_to FROM name_index")?
        .query_row([], |row| {
            Ok(Reach {
                indexed_to: row.get(0)?,
                claimed_to: row.get(1)?,
            })
        })
        .optional()?;
    Ok(reach.unwrap_or_default())
}

/// How many nodes no segment covers.
pub(crate) fn left(connection: &Connection) -> rusqlite::Result<u64> {
    let left: i64 = connection.query_row(
        "SELECT (SELECT count(*) FROM filestore_nodes WHERE node_id > i.indexed_to) \
             + (SELECT count(*) FROM name_pending) FROM name_index i",
        [],
        |row| row.get(0),
    )?;
    Ok(left.unsigned_abs())
}

/// Notes a node whose name is not, or no longer, the one that the index has of it.
pub(crate) const NOTE: &str = "INSERT INTO name_pending (node_id) VALUES (?1)";

/// The first directory that was at a path of a mount, if there is one.
pub(crate) const FIND_DIRECTORY: &str = "SELECT min(node_id) FROM filestore_nodes \
    WHERE path = ?1 AND backend_mount_id = ?2 AND kind = 'directory'";

/// Forgets the index; it is made anew from the nodes.
pub(crate) fn forget(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "DELETE FROM name_segments;
         DELETE FROM name_grams;
         DELETE FROM name_pending;
         UPDATE name_index SET indexed_to = 0, claimed_to = 0;",
    )
}

/// The last name of a path.
pub(crate) fn name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// The path of the directory that a path lies in; the root's is its own.
pub(crate) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}
