//! Where the journal's entries lie, and how they are read.
//!
//! The older ones lie in blocks (table `journal_blocks`, [`block`]): up to some thousands of entries
//! one after another, compressed. The newest are single rows (table `journal`): the tail. Every id
//! in a block is lower than every id in the tail, and both are read as one sequence.
//!
//! - Whoever appends many entries at once seals them at once, and the tail before them. What comes
//!   singly becomes rows, and the writer seals the oldest of them once there are thousands ([`seal`]).
//!   Entries move within one transaction, so no reader sees one of them twice, or not at all.
//! - A block has no digests but the one before it and its last. The others are computed again when
//!   it is read. If the last one comes out otherwise, the block is damaged, and nothing of it is
//!   given.
//! - A block is decoded as a whole. The last ones are kept in memory ([`Cache`]), so that whoever
//!   reads page after page does not decode a block for each.

mod block;
mod cache;
mod run;
mod seal;
#[cfg(test)]
mod tests;

pub(crate) use cache::Cache;
pub(crate) use run::Run;
pub(crate) use seal::{TAIL_ROWS, seal_oldest, write_all, write_blocks};

use super::meta::Meta;
use super::{Head, StoreError};
use block::Header;
use journal::{ChainError, Digest, Entry, EventType, JournalId, Time};
use rusqlite::{Connection, OptionalExtension, Row};
use serde_json::value::RawValue;
use std::ops::ControlFlow;
use std::sync::Arc;

/// An entry where it lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stored<'a> {
    pub(crate) id: JournalId,
    pub(crate) committed_at: Time,
    pub(crate) node_id: Option<i64>,
    pub(crate) event_type: &'a EventType,
    pub(crate) size_delta: i64,
    pub(crate) data: &'a str,
    pub(crate) digest: Digest,
}

impl Stored<'_> {
    fn to_entry(self) -> Result<Entry, StoreError> {
        Ok(Entry {
            id: self.id,
            node_id: self.node_id,
            event_type: self.event_type.clone(),
            size_delta: self.size_delta,
            data: RawValue::from_string(self.data.to_owned())?,
            digest: self.digest,
        })
    }

    /// Its digest, if it is the entry after `before` and continues the history up to there.
    fn follows(&self, before: Head) -> Result<Head, ChainError> {
        let (id, expected) = (self.id, before.id.next());
        if id != expected {
            return Err(ChainError::Gap {
                expected,
                found: id,
            });
        }
        let event_type = self.event_type.as_str();
        let digest = before
            .digest
            .link(id, self.node_id, event_type, self.size_delta, self.data);
        if digest != self.digest {
            return Err(ChainError::Mismatch { id });
        }
        Ok(Head { id, digest })
    }
}

/// The journal's entries, as the connection's transaction sees them.
#[derive(Debug)]
pub(crate) struct Entries<'c> {
    connection: &'c Connection,
    cache: Option<&'c Cache>,
}

impl<'c> Entries<'c> {
    /// Without a cache every block is read from the file.
    pub(crate) const fn new(connection: &'c Connection, cache: Option<&'c Cache>) -> Self {
        Self { connection, cache }
    }

    /// The last one; `None` if there is none.
    pub(crate) fn last(&self) -> Result<Option<JournalId>, StoreError> {
        const SQL: &str = "SELECT coalesce((SELECT max(journal_id) FROM journal),
            (SELECT max(last_id) FROM journal_blocks))";
        let mut statement = self.connection.prepare_cached(SQL)?;
        let last: Option<i64> = statement.query_row([], |row| row.get(0))?;
        Ok(last.map(JournalId::from_i64))
    }

    /// The digest of an entry that may be the last one trimmed; `None` if it is unknown here.
    pub(crate) fn digest_at(
        &self,
        meta: &Meta,
        id: JournalId,
    ) -> Result<Option<Digest>, StoreError> {
        for known in [meta.trimmed, meta.head] {
            if known.id == id {
                return Ok(Some(known.digest));
            }
        }
        if let Some(header) = self.block_of(id)? {
            return if header.last.id == id {
                Ok(Some(header.last.digest))
            } else {
                let run = self.run(&header)?;
                Ok(run.starting_at(id).next().map(|entry| entry.digest))
            };
        }
        let mut statement = self
            .connection
            .prepare_cached("SELECT digest FROM journal WHERE journal_id = ?1")?;
        let digest: Option<Vec<u8>> = statement
            .query_row([id.as_i64()], |row| row.get(0))
            .optional()?;
        digest.map(|digest| digest_of(id, &digest)).transpose()
    }

    /// Those after `after`, at most `limit`, until their data is more than `most_bytes`.
    pub(crate) fn read(
        &self,
        after: JournalId,
        limit: usize,
        most_bytes: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut entries = Vec::new();
        let mut bytes = 0;
        if limit == 0 {
            return Ok(entries);
        }
        self.walk(after, |entry| {
            bytes += entry.data.len();
            entries.push(entry.to_entry()?);
            Ok(if entries.len() == limit || bytes > most_bytes {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        })?;
        Ok(entries)
    }

    /// Goes through those after `after`, in order, until `visit` breaks off.
    pub(crate) fn walk(
        &self,
        after: JournalId,
        mut visit: impl FnMut(Stored<'_>) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<(), StoreError> {
        let mut after = after;
        while let Some(header) = self.block_from(after.next())? {
            for entry in self.run(&header)?.starting_at(after.next()) {
                if visit(entry)?.is_break() {
                    return Ok(());
                }
            }
            after = header.last.id;
        }
        self.walk_rows(after, visit)
    }

    /// [`Entries::walk`] through the tail only.
    fn walk_rows(
        &self,
        after: JournalId,
        mut visit: impl FnMut(Stored<'_>) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<(), StoreError> {
        let mut statement = self
            .connection
            .prepare_cached(include_str!("sql/read_rows.sql"))?;
        let mut rows = statement.query([after.as_i64()])?;
        while let Some(row) = rows.next()? {
            let event_type = EventType::from(text(row, 3)?);
            if visit(stored(row, &event_type)?)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The node that this entry is about: `None` if the entry is not there.
    pub(crate) fn node_of(&self, id: JournalId) -> Result<Option<i64>, StoreError> {
        let mut node_id = None;
        self.walk(before(id), |entry| {
            node_id = entry.node_id.filter(|_| entry.id == id);
            Ok(ControlFlow::Break(()))
        })?;
        Ok(node_id)
    }

    /// Computes all digests after `from` again, and gives the last one.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] tells the first entry that does not follow the one before it.
    pub(crate) fn verify(&self, from: Head) -> Result<Head, StoreError> {
        let mut last = from;
        self.walk(from.id, |entry| {
            last = entry.follows(last).map_err(damaged)?;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(last)
    }

    /// Whether this entry was committed before `time`; no, if it is not there.
    pub(crate) fn is_older(&self, id: JournalId, time: Time) -> Result<bool, StoreError> {
        if let Some(header) = self.block_of(id)? {
            if header.latest_at < time || header.earliest_at >= time {
                return Ok(header.latest_at < time);
            }
            let run = self.run(&header)?;
            let entry = run.starting_at(id).next();
            return Ok(entry.is_some_and(|entry| entry.committed_at < time));
        }
        let mut statement = self
            .connection
            .prepare_cached("SELECT committed_at FROM journal WHERE journal_id = ?1")?;
        let committed_at: Option<i64> = statement
            .query_row([id.as_i64()], |row| row.get(0))
            .optional()?;
        Ok(committed_at.is_some_and(|millis| millis < time.as_millis()))
    }

    /// Removes those up to and with `last`. Of a block that goes on after it the rest is sealed anew.
    pub(crate) fn remove(&self, last: JournalId) -> Result<(), StoreError> {
        if let Some(header) = self.block_of(last)?.filter(|it| it.last.id > last) {
            let mut run = Arc::unwrap_or_clone(self.run(&header)?);
            let removed = last.entries_since(header.before.id);
            let rest = run.split_off(usize::try_from(removed).unwrap_or(usize::MAX));
            self.remove_blocks(header.last.id)?;
            block::insert(self.connection, &rest)?;
        } else {
            self.remove_blocks(last)?;
        }
        self.remove_rows(last)
    }

    fn remove_rows(&self, last: JournalId) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("DELETE FROM journal WHERE journal_id <= ?1")?
            .execute([last.as_i64()])?;
        Ok(())
    }

    fn remove_blocks(&self, last: JournalId) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("DELETE FROM journal_blocks WHERE last_id <= ?1")?
            .execute([last.as_i64()])?;
        Ok(())
    }

    /// The last entry in a block; `None` if there are no blocks.
    fn last_in_block(&self) -> Result<Option<Head>, StoreError> {
        const SQL: &str =
            "SELECT last_id, digest FROM journal_blocks ORDER BY last_id DESC LIMIT 1";
        let mut statement = self.connection.prepare_cached(SQL)?;
        let mut rows = statement.query([])?;
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        let id = JournalId::from_i64(row.get(0)?);
        let digest = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        let digest = digest_of(id, digest)?;
        Ok(Some(Head { id, digest }))
    }

    /// The block that this entry is in.
    fn block_of(&self, id: JournalId) -> Result<Option<Header>, StoreError> {
        let header = self.block_from(id)?;
        Ok(header.filter(|header| header.before.id < id))
    }

    /// The first block that ends with this entry or after it.
    fn block_from(&self, id: JournalId) -> Result<Option<Header>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached(include_str!("sql/block_from.sql"))?;
        let mut rows = statement.query([id.as_i64()])?;
        rows.next()?.map(Header::of).transpose()
    }

    fn run(&self, header: &Header) -> Result<Arc<Run>, StoreError> {
        if let Some(run) = self.cache.and_then(|cache| cache.get(header)) {
            return Ok(run);
        }
        let run = Arc::new(block::read(self.connection, header)?);
        if let Some(cache) = self.cache {
            cache.keep(&run);
        }
        Ok(run)
    }
}

/// The id before this one.
fn before(id: JournalId) -> JournalId {
    JournalId::new(id.get().saturating_sub(1))
}

/// A row of the tail; its type is taken from the row already.
fn stored<'a>(row: &'a Row<'_>, event_type: &'a EventType) -> Result<Stored<'a>, StoreError> {
    let id = JournalId::from_i64(row.get(0)?);
    let digest = row.get_ref(6)?.as_blob().map_err(rusqlite::Error::from)?;
    Ok(Stored {
        id,
        committed_at: Time::from_millis(row.get(1)?),
        node_id: row.get(2)?,
        event_type,
        size_delta: row.get(4)?,
        data: text(row, 5)?,
        digest: digest_of(id, digest)?,
    })
}

fn text<'a>(row: &'a Row<'_>, column: usize) -> Result<&'a str, StoreError> {
    let text = row.get_ref(column)?.as_str();
    Ok(text.map_err(rusqlite::Error::from)?)
}

fn digest_of(id: JournalId, digest: &[u8]) -> Result<Digest, StoreError> {
    Digest::from_slice(digest)
        .ok_or_else(|| StoreError::Damaged(format!("the digest of entry {id} is no digest")))
}

fn damaged(error: ChainError) -> StoreError {
    StoreError::Damaged(error.to_string())
}
