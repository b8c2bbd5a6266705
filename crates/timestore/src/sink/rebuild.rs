//! A new activity beside the present one, and how it takes its place.
//!
//! The new rows gather in a table of their own, `tidemark.new_activity`, which no API reads; what
//! the present table holds up to a kept entry stays where it is. Taking its place is one
//! transaction of the owner thread: the rows that are told again go, the gathered ones come, and
//! dead letters and checkpoint with them. Every read is a transaction too, so it sees the old rows
//! or the new ones; other writes wait meanwhile.
//!
//! Rows of another history are set aside under another name, as for a snapshot (see
//! [`super::snapshot`]). A process that dies leaves at most the gathered rows behind, which the
//! next rebuild, or the next start, drops.

use super::{ActivitySink, Position, build, snapshot, write_position};
use crate::activity::{self, DROP_GATHERED, GATHER};
use crate::catalogue::Dataset;
use crate::error::{Error, Result};
use crate::store::{self, Store};
use duckdb::arrow::record_batch::RecordBatch;
use duckdb::{Connection, params};
use feed::rebuild::{Base, NewBook};
use feed::{Batch, Checkpoint, DeadLetter};
use journal::{JournalId, Snapshot};
use std::collections::HashSet;

pub(super) fn begin(store: &Store) -> Result<()> {
    store.write_blocking(|connection| {
        store::transaction(connection, |connection| {
            Ok(connection.execute_batch(GATHER)?)
        })
    })
}

pub(super) fn abandon(store: &Store) {
    let dropped = store.write_blocking(|connection| Ok(connection.execute_batch(DROP_GATHERED)?));
    if let Err(error) = dropped {
        let error: &dyn std::error::Error = &error;
        tracing::warn!(error, "an abandoned rebuild was not cleared");
    }
}

impl ActivitySink {
    pub(super) fn gather(&mut self, batch: &Batch<'_>) -> Result<()> {
        let rows = build(
            batch.items,
            JournalId::ZERO,
            &HashSet::new(),
            self.clock.now(),
        )?;
        let parked = batch.parked.to_vec();
        self.store.write_blocking(move |connection| {
            store::transaction(connection, |connection| {
                must_be_begun(connection)?;
                append(connection, rows)?;
                park(connection, &parked)
            })
        })
    }

    /// A snapshot becomes the book at once: what the history lacks is added to it, or it begins
    /// anew where it is another history's.
    pub(super) fn begin_with_snapshot(
        &mut self,
        new: &NewBook,
        snapshot: Snapshot<'_>,
    ) -> Result<Position> {
        let stored = self.position()?;
        snapshot::load(
            &self.store,
            &self.dataset,
            snapshot,
            stored,
            !new.is_same_history,
            self.clock.now(),
        )
    }

    pub(super) fn swap(&mut self, new: &NewBook, checkpoint: Checkpoint) -> Result<Position> {
        let stored = self.position()?;
        let snapshot_id = match (new.base, stored) {
            (Base::Kept(_), Some(stored)) => stored.snapshot_id,
            _ => JournalId::ZERO,
        };
        let next = Position {
            checkpoint,
            snapshot_id,
        };
        let (dataset, new) = (self.dataset.clone(), *new);
        self.store.write_blocking(move |connection| {
            store::transaction(connection, |connection| {
                must_be_begun(connection)?;
                make_room(connection, &dataset, &new, stored.as_ref())?;
                connection.execute_batch(&format!(
                    "INSERT INTO {} FROM tidemark.new_activity;
                     INSERT INTO tidemark.dead_letters FROM tidemark.new_dead_letters;
                     {DROP_GATHERED}",
                    dataset.quoted_table()
                ))?;
                write_position(connection, &next, stored.as_ref())
            })
        })?;
        Ok(next)
    }
}

/// Takes out what is told again.
fn make_room(
    connection: &Connection,
    dataset: &Dataset,
    new: &NewBook,
    stored: Option<&Position>,
) -> Result<()> {
    let table = dataset.quoted_table();
    match (new.base, stored) {
        (Base::Kept(after), _) => {
            let after = after.as_i64();
            connection.execute(
                &format!("DELETE FROM {table} WHERE journal_id > ?"),
                [after],
            )?;
            let letters = "DELETE FROM tidemark.dead_letters WHERE journal_id > ?";
            connection.execute(letters, [after])?;
            Ok(())
        }
        (_, Some(stored)) if !new.is_same_history => {
            snapshot::set_aside(connection, dataset, stored)
        }
        // Not a DELETE: a new table reads nothing of the old one, which may be damaged.
        _ => {
            connection.execute_batch(&format!(
                "DROP VIEW tidemark.activity;
                 DROP TABLE {table};
                 DELETE FROM tidemark.dead_letters;"
            ))?;
            activity::create(connection, &dataset.table)
        }
    }
}

/// A rebuild whose gathered rows are gone cannot go on.
fn must_be_begun(connection: &Connection) -> Result<()> {
    let sql = "SELECT count(*) > 0 FROM duckdb_tables() \
               WHERE schema_name = 'tidemark' AND table_name = 'new_activity'";
    if connection
        .prepare_cached(sql)?
        .query_row([], |row| row.get(0))?
    {
        return Ok(());
    }
    Err(Error::Conflict {
        code: httpkit::Code::Conflict,
        detail: "the rebuild's rows are gone; begin it again".to_owned(),
    })
}

fn append(connection: &Connection, rows: RecordBatch) -> Result<()> {
    if rows.num_rows() == 0 {
        return Ok(());
    }
    let mut appender = connection.appender_to_db("new_activity", "tidemark")?;
    appender.append_record_batch(rows)?;
    Ok(appender.flush()?)
}

fn park(connection: &Connection, parked: &[DeadLetter]) -> Result<()> {
    for letter in parked {
        let sql = include_str!("../sql/park.sql");
        let sql = sql.replace("tidemark.dead_letters", "tidemark.new_dead_letters");
        connection.prepare_cached(&sql)?.execute(params![
            letter.journal_id.as_i64(),
            letter.event_type,
            letter.data,
            letter.reason,
            letter.parked_at.as_millis(),
            letter.attempts
        ])?;
    }
    Ok(())
}
