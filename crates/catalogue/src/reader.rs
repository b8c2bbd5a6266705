//! The journal's own store, read: pages, waiting, snapshots; and retention.

use super::change;
use super::inode::{inode, object};
use super::moment::moment;
use super::{Catalogue, Head, Names, Node, Owner, ReadTx, StoreError, column, meta, nodes};
use journal::{
    ConsistencyState, Entry, JournalId, JournalReader, NodeKind, NodeState, Page, Position,
    ReadError, Snapshot, SnapshotInode, SnapshotNode, Time,
};
use node::{Facts, Identity};
use rusqlite::{Connection, Row, params};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

/// The data of one page, in bytes: at least one entry comes whatever its size.
const PAGE_BYTES: usize = 8 * 1024 * 1024;

/// Nodes of a snapshot read at once.
const SNAPSHOT_NODES: i64 = 1_000;

/// Entries removed in one job.
const TRIM_ENTRIES: u64 = 10_000;

fn snapshot_node(row: &Row<'_>, names: Option<&dyn Names>) -> rusqlite::Result<SnapshotNode> {
    let json = |index| -> rusqlite::Result<Option<serde_json::Value>> {
        let text = row.get_ref(index)?.as_str_or_null()?;
        let value = text.map(serde_json::from_str).transpose();
        value.map_err(|error| column::conversion(index, Box::new(error)))
    };
    Ok(SnapshotNode {
        node_id: row.get(0)?,
        backend_mount_id: row.get(1)?,
        path: row.get(2)?,
        kind: column::word(row, 3, NodeKind::from_word)?,
        state: column::word(row, 4, NodeState::from_word)?,
        parent_id: row.get(5)?,
        version: row.get(6)?,
        size_bytes: Some(row.get(7)?),
        journal_id: JournalId::from_i64(row.get(8)?),
        checksum: row.get(9)?,
        content_hash: row.get(10)?,
        metadata: json(11)?,
        consistency_state: Some(column::word(row, 12, ConsistencyState::from_word)?),
        last_modified_at: moment(row, 13)?.map(|modified| Time::from_millis(modified.as_millis())),
        observed_at: Some(Time::from_millis(row.get(14)?)),
        attributes: json(29)?,
        object_tags: json(31)?,
        inode: snapshot_inode(row, names)?,
    })
}

fn snapshot_inode(row: &Row<'_>, names: Option<&dyn Names>) -> rusqlite::Result<SnapshotInode> {
    let facts = Facts {
        kind: column::word(row, 3, NodeKind::from_word)?,
        is_symlink: row.get(16)?,
        size_bytes: row.get(7)?,
        modified_ns: None,
        changed_ns: moment(row, 17)?,
        identity: Identity {
            dev: row.get(15)?,
            ino: 0,
            born_ns: None,
        },
        inode: inode(row, 18)?,
        object: object(row, 26)?,
    };
    let owner = Owner::of(names, &facts);
    let link_target = row.get_ref(30)?.as_str_or_null()?;
    Ok(change::inode(&facts, link_target, Some(&owner)).into())
}

/// A read transaction of its own, paged through by node id.
struct SnapshotNodes {
    connection: Connection,
    names: Option<Arc<dyn Names>>,
    page: std::vec::IntoIter<SnapshotNode>,
    after: i64,
    is_over: bool,
}

impl SnapshotNodes {
    fn fetch(&mut self) -> Result<(), StoreError> {
        let mut statement = self
            .connection
            .prepare_cached(include_str!("sql/snapshot.sql"))?;
        let names = self.names.as_deref();
        let node = |row: &Row<'_>| snapshot_node(row, names);
        let rows = statement.query_map([self.after, SNAPSHOT_NODES], node)?;
        let page = rows.collect::<Result<Vec<_>, _>>()?;
        match page.last() {
            Some(last) => self.after = last.node_id,
            None => self.is_over = true,
        }
        self.page = page.into_iter();
        Ok(())
    }
}

impl Iterator for SnapshotNodes {
    type Item = Result<SnapshotNode, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(node) = self.page.next() {
            return Some(Ok(node));
        }
        if self.is_over {
            return None;
        }
        if let Err(error) = self.fetch() {
            self.is_over = true;
            return Some(Err(read_error(error)));
        }
        self.page.next().map(Ok)
    }
}

fn read_error(error: StoreError) -> ReadError {
    match error {
        StoreError::Damaged(reason) => ReadError::Damaged(reason),
        StoreError::Json(error) => ReadError::Damaged(error.to_string()),
        error => ReadError::Unavailable(Box::new(error)),
    }
}

impl From<StoreError> for ReadError {
    fn from(error: StoreError) -> Self {
        read_error(error)
    }
}

fn position(meta: &meta::Meta) -> Position {
    Position {
        epoch: meta.epoch,
        head: meta.head.id,
        trimmed: meta.trimmed.id,
    }
}

impl JournalReader for Catalogue {
    fn position(&self) -> Result<Position, ReadError> {
        self.read(|tx| Ok(position(&meta::read(tx.connection())?)))
    }

    fn read(&self, after: JournalId, limit: usize) -> Result<Page, ReadError> {
        Self::read(self, |tx| {
            let meta = meta::read(tx.connection())?;
            if after < meta.trimmed.id && limit > 0 {
                return Err(ReadError::Trimmed {
                    after,
                    trimmed: meta.trimmed.id,
                });
            }
            Ok(Page {
                position: position(&meta),
                after_digest: tx.entries().digest_at(&meta, after)?,
                entries: tx.entries().read(after, limit, PAGE_BYTES)?,
            })
        })
    }

    fn wait(&self, after: JournalId, timeout: Duration) -> Result<Position, ReadError> {
        self.wait_for_head(after, timeout);
        self.position()
    }

    fn snapshot(&self) -> Result<Snapshot<'_>, ReadError> {
        // A connection of its own, since its read transaction lasts as long as the reader likes.
        let connection = self.open_reader()?;
        connection
            .execute_batch("BEGIN")
            .map_err(StoreError::from)?;
        let meta = meta::read(&connection)?;
        let page = Vec::new().into_iter();
        let nodes = SnapshotNodes {
            connection,
            names: self.names.get().cloned(),
            page,
            after: 0,
            is_over: false,
        };
        Ok(Snapshot {
            epoch: meta.epoch,
            journal_id: meta.head.id,
            digest: meta.head.digest,
            nodes: Box::new(nodes),
        })
    }
}

impl Catalogue {
    /// Entries after `after` for somebody who may be slow to take them: at most `limit`, and no more
    /// than `most_bytes` of data and one entry.
    ///
    /// # Errors
    /// As [`JournalReader::read`].
    pub fn few_entries(
        &self,
        after: JournalId,
        limit: usize,
        most_bytes: usize,
    ) -> Result<Vec<Entry>, ReadError> {
        Self::read(self, |tx| {
            let trimmed = meta::read(tx.connection())?.trimmed.id;
            if after < trimmed {
                return Err(ReadError::Trimmed { after, trimmed });
            }
            Ok(tx.entries().read(after, limit, most_bytes)?)
        })
    }

    /// Removes the entries up to and with `up_to` (at most up to the head) and remembers the digest
    /// of the last of them, so that what follows still chains. Blocks; in jobs of bounded size, so
    /// commands go on in between. Gives the trimmed id.
    ///
    /// # Errors
    /// The store cannot be written. What was removed until then stays removed.
    pub fn trim_journal(&self, up_to: JournalId) -> Result<JournalId, StoreError> {
        loop {
            let trimmed = self.write(move |tx| {
                let meta = meta::read(tx.connection())?;
                let to = up_to.min(tx.head().id).min(JournalId::new(
                    meta.trimmed.id.get().saturating_add(TRIM_ENTRIES),
                ));
                if to <= meta.trimmed.id {
                    return Ok((meta.trimmed.id, true));
                }
                let digest = if to == tx.head().id {
                    Some(tx.head().digest)
                } else {
                    tx.entries().digest_at(&meta, to)?
                };
                let digest =
                    digest.ok_or_else(|| StoreError::Damaged(format!("entry {to} is missing")))?;
                set_trimmed(tx, Head { id: to, digest })?;
                Ok::<_, StoreError>((to, to == up_to))
            })?;
            if trimmed.1 {
                return Ok(trimmed.0);
            }
        }
    }
}

fn set_trimmed(tx: &ReadTx<'_>, trimmed: Head) -> Result<(), StoreError> {
    tx.entries().remove(trimmed.id)?;
    const META: &str = "UPDATE journal_meta SET trimmed_id = ?1, trimmed_digest = ?2";
    tx.prepare_cached(META)?
        .execute(params![trimmed.id.as_i64(), trimmed.digest.as_bytes()])?;
    Ok(())
}

/// The last entry committed before this time, found by halving the ids: commit times nearly ascend
/// with them.
///
/// # Errors
/// A statement fails.
pub fn last_committed_before(tx: &ReadTx<'_>, before: Time) -> Result<JournalId, StoreError> {
    let meta = meta::read(tx.connection())?;
    let entries = tx.entries();
    // All below `low` are old, none from `high` on is.
    let (mut low, mut high) = (meta.trimmed.id.next().get(), meta.head.id.next().get());
    while low < high {
        let middle = low.midpoint(high);
        if entries.is_older(JournalId::new(middle), before)? {
            low = middle.saturating_add(1);
        } else {
            high = middle;
        }
    }
    Ok(JournalId::new(low.saturating_sub(1)))
}

/// The nodes of the next entries after `after`, as they are now, each once, and the last of these
/// entries; `None` if what comes next is trimmed.
///
/// # Errors
/// A statement fails.
pub fn changed_nodes(
    tx: &ReadTx<'_>,
    after: JournalId,
    limit: usize,
) -> Result<Option<(JournalId, Vec<Node>)>, StoreError> {
    let (mut last, mut ids, mut read) = (after, Vec::new(), 0);
    tx.entries().walk(after, |entry| {
        if entry.id != last.next() {
            return Ok(ControlFlow::Break(()));
        }
        last = entry.id;
        ids.extend(entry.node_id);
        read += 1;
        Ok(if read < limit {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        })
    })?;
    if last == after {
        return Ok(None);
    }
    ids.sort_unstable();
    ids.dedup();
    let nodes = ids.into_iter().map(|id| nodes::by_id(tx, id));
    let nodes = nodes.collect::<Result<Vec<_>, _>>()?;
    Ok(Some((last, nodes.into_iter().flatten().collect())))
}
