//! What the journal says, written into the sync's own table.
//!
//! One transaction a batch: the nodes' rows, the records that new nodes get, parked entries and
//! the checkpoint, all or nothing. So every entry takes effect exactly once, and the checkpoint
//! never says more or less than the book holds.
//!
//! * The sync writes `filestore_nodes`, with the namespace of the node's record. In `records` it makes
//!   a row where a rule gives tags or an owner, and changes the namespace ([`place`]); never tags,
//!   owner, metadata, version or a person's deletion, so neither side makes the other's optimistic
//!   lock fail.
//! * An entry changes a node only if its id lies above the last entry that did: a retried dead
//!   letter does not undo what came after it.
//! * The soft deletion shown for a record has two parts. The sync's is lifted when the node
//!   reappears, a person's only by a person. A node that is `missing` keeps its record live.
//! * A snapshot is staged in a temporary table first, so that a slow journal keeps nobody from
//!   writing, and then becomes the book in one transaction.

mod nodes;
mod place;
mod rebuild;
mod snapshot;

pub(crate) use place::replace_all;

use crate::db::{Fault, fault};
use crate::db_threads::Turn;
use crate::names::builder::Wake;
use crate::rules::NamespaceRules;
use feed::rebuild::{NewBook, Rebuild};
use feed::{Batch, Checkpoint, DeadLetter, SinkError};
use journal::{Clock, Digest, JournalId, Snapshot, Time};
use nodes::NodeWriter;
use parking_lot::RwLock;
use process::Lock;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use std::sync::Arc;

/// The rules in force; a batch reads them within its turn.
pub(crate) type SharedRules = Arc<RwLock<Arc<dyn NamespaceRules>>>;

/// The metastore's side of the feed; made by [`crate::Metastore::sink`].
#[derive(Debug)]
pub struct Sink {
    pub(crate) connection: Connection,
    pub(crate) turn: Turn,
    pub(crate) rules: SharedRules,
    pub(crate) clock: Arc<dyn Clock>,
    /// Has new names indexed.
    pub(crate) names: Wake,
    pub(crate) _lock: Arc<Lock>,
}

impl feed::Sink for Sink {
    fn name(&self) -> &'static str {
        "metastore"
    }

    fn checkpoint(&mut self) -> Result<Option<Checkpoint>, SinkError> {
        load_checkpoint(&self.connection).map_err(store_fault)
    }

    fn apply(&mut self, batch: &Batch<'_>) -> Result<(), SinkError> {
        let _turn = self.turn.lock();
        let rules = Arc::clone(&self.rules.read());
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(store_fault)?;
        {
            let mut writer = NodeWriter::prepare(&transaction, &*rules).map_err(store_fault)?;
            for item in batch.items {
                writer
                    .apply(item)
                    .map_err(|error| entry_fault(item.id, error))?;
            }
        }
        settle(&transaction, batch).map_err(store_fault)?;
        transaction.commit().map_err(store_fault)?;
        self.names.wake();
        Ok(())
    }

    fn load_snapshot(&mut self, snapshot: Snapshot<'_>) -> Result<(), SinkError> {
        snapshot::load(self, snapshot)?;
        self.names.wake();
        Ok(())
    }

    fn dead_letters(
        &mut self,
        after: JournalId,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, SinkError> {
        list_dead_letters(&self.connection, after, limit).map_err(store_fault)
    }

    fn dead_letter_count(&mut self) -> Result<u64, SinkError> {
        self.connection
            .query_row("SELECT count(*) FROM dead_letters", [], |row| {
                row.get::<_, i64>(0)
            })
            .map(i64::unsigned_abs)
            .map_err(store_fault)
    }

    fn begin_rebuild(&mut self, new: NewBook) -> Result<Rebuild, SinkError> {
        rebuild::begin(self, new).map_err(store_fault)
    }

    fn fill_rebuild(&mut self, rebuild: &Rebuild, batch: &Batch<'_>) -> Result<(), SinkError> {
        rebuild::fill(self, rebuild, batch)
    }

    fn fill_rebuild_from_snapshot(
        &mut self,
        rebuild: &Rebuild,
        snapshot: Snapshot<'_>,
    ) -> Result<(), SinkError> {
        rebuild::fill_from_snapshot(self, rebuild, snapshot)
    }

    fn finish_rebuild(
        &mut self,
        rebuild: &Rebuild,
        checkpoint: Checkpoint,
    ) -> Result<(), SinkError> {
        rebuild::finish(self, rebuild, checkpoint)?;
        self.names.wake();
        Ok(())
    }

    fn abandon_rebuild(&mut self, _rebuild: Rebuild) {
        rebuild::abandon(self);
    }
}

/// Parks, resolves and stores the checkpoint.
fn settle(transaction: &Transaction<'_>, batch: &Batch<'_>) -> rusqlite::Result<()> {
    let mut resolve =
        transaction.prepare_cached("DELETE FROM dead_letters WHERE journal_id = ?1")?;
    for id in batch.resolved {
        resolve.execute([id.as_i64()])?;
    }
    let mut park = transaction.prepare_cached(include_str!("sql/dead_letter_park.sql"))?;
    for letter in batch.parked {
        park.execute(params![
            letter.journal_id.as_i64(),
            letter.event_type,
            letter.data,
            letter.reason,
            letter.parked_at.as_millis(),
            letter.attempts,
        ])?;
    }
    store_checkpoint(transaction, batch.checkpoint)
}

fn store_checkpoint(connection: &Connection, checkpoint: Checkpoint) -> rusqlite::Result<()> {
    connection
        .prepare_cached(include_str!("sql/checkpoint_store.sql"))?
        .execute(params![
            checkpoint.epoch.to_string(),
            checkpoint.journal_id.as_i64(),
            checkpoint.digest.as_bytes(),
        ])?;
    Ok(())
}

/// The checkpoint that the book holds.
pub(crate) fn load_checkpoint(connection: &Connection) -> rusqlite::Result<Option<Checkpoint>> {
    let stored = connection
        .query_row(
            "SELECT epoch, journal_id, digest FROM filestore_sync",
            [],
            |row| {
                Ok((
                    row.get::<_, String>(0)?,
                    row.get::<_, i64>(1)?,
                    row.get::<_, [u8; 32]>(2)?,
                ))
            },
        )
        .optional()?;
    let Some((epoch, journal_id, digest)) = stored else {
        return Ok(None);
    };
    let epoch = epoch.parse().map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
    })?;
    Ok(Digest::from_slice(&digest).map(|digest| Checkpoint {
        epoch,
        journal_id: JournalId::from_i64(journal_id),
        digest,
    }))
}

fn list_dead_letters(
    connection: &Connection,
    after: JournalId,
    limit: usize,
) -> rusqlite::Result<Vec<DeadLetter>> {
    let mut statement = connection.prepare_cached(
        "SELECT journal_id, event_type, data, reason, parked_at, attempts FROM dead_letters \
         WHERE journal_id > ?1 ORDER BY journal_id LIMIT ?2",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let letters = statement.query_map(params![after.as_i64(), limit], |row| {
        Ok(DeadLetter {
            journal_id: JournalId::from_i64(row.get(0)?),
            event_type: row.get(1)?,
            data: row.get(2)?,
            reason: row.get(3)?,
            parked_at: Time::from_millis(row.get(4)?),
            attempts: row.get(5)?,
        })
    })?;
    letters.collect()
}

/// An error of the store itself.
fn store_fault(error: rusqlite::Error) -> SinkError {
    match fault(&error) {
        Fault::Damaged => SinkError::Damaged(error.to_string(), Some(Box::new(error))),
        Fault::Full => SinkError::Unavailable(
            "the disk of the database is full, or the one of temporary files (TMPDIR), or the bound \
             on the database is reached"
                .to_owned(),
            Some(Box::new(error)),
        ),
        Fault::Unavailable | Fault::Overdue | Fault::Refused => {
            SinkError::Unavailable(error.to_string(), Some(Box::new(error)))
        }
    }
}

/// An error while one entry was applied: what is not the store's is the entry's.
fn entry_fault(journal_id: JournalId, error: rusqlite::Error) -> SinkError {
    match fault(&error) {
        Fault::Refused => SinkError::Poison {
            journal_id,
            reason: error.to_string(),
        },
        _ => store_fault(error),
    }
}
