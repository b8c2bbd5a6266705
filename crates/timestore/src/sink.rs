//! The journal's sink: entries become rows of the activity, exactly once.
//!
//! Rows, parked and resolved dead letters and the checkpoint commit in one transaction. Entries
//! above the checkpoint are new. Entries at or below it are tried again (a dead letter, or a batch
//! that a consumer repeats): such a row is appended only if its journal id is not there yet, and
//! if a snapshot has been loaded since, without its deltas, because the snapshot counted them.
//! The checkpoint never goes back.
//!
//! Nothing here is updated in place, on purpose. While any other transaction is open, DuckDB does
//! not fold its write-ahead log into the file after a commit that has updated rows, so with an
//! updated checkpoint overlapping reads would let the log grow for as long as they go on. It does
//! fold it after commits that only insert and delete: the checkpoint is one row that is deleted
//! and inserted.

mod flight;
mod fold;
mod hours;
mod pieces;
mod rebuild;
mod snapshot;

pub(crate) use hours::summed;

use crate::activity::{Builder, Row};
use crate::catalogue::Dataset;
use crate::error::{Error, Result};
use crate::store::Store;
use crate::usage::{self, Progress};
use crossbeam_channel::Sender;
use duckdb::arrow::record_batch::RecordBatch;
use duckdb::{Connection, OptionalExt, params};
use feed::rebuild::{Base, NewBook, Rebuild};
use feed::{Batch, Begun, Checkpoint, DeadLetter, Item, Sink, SinkError};
use flight::Flight;
use fold::{MANY, Unfolded};
use journal::{Clock, Event, JournalId, Snapshot, Time};
use pieces::{PIECE_ROWS, Piece, Target};
use std::collections::HashSet;
use std::sync::Arc;

/// Applies journal entries to the activity. Made by [`Timestore::sink`](crate::Timestore::sink).
#[derive(Debug)]
pub struct ActivitySink {
    store: Arc<Store>,
    dataset: Dataset,
    clock: Arc<dyn Clock>,
    /// As stored; `None` until it is read, and after every failure.
    position: Option<Option<Position>>,
    /// The batch that the owner thread commits.
    flight: Option<Flight>,
    /// The last entry in the sums by hour; `None` as above.
    summed: Option<JournalId>,
    /// So many entries are summed at a time.
    sum_entries: u64,
    unfolded: Unfolded,
    progress: Progress,
}

/// What is stored of the journal.
#[derive(Clone, Copy, Debug)]
struct Position {
    checkpoint: Checkpoint,
    /// Entries up to here are counted by the snapshot loaded last.
    snapshot_id: JournalId,
}

impl ActivitySink {
    pub(crate) fn new(
        store: Arc<Store>,
        dataset: Dataset,
        clock: Arc<dyn Clock>,
        sum_entries: u64,
        progress: Progress,
    ) -> Self {
        Self {
            store,
            dataset,
            clock,
            position: None,
            flight: None,
            summed: None,
            sum_entries,
            unfolded: Unfolded::default(),
            progress,
        }
    }

    fn position(&mut self) -> Result<Option<Position>> {
        if let Some(position) = self.position {
            return Ok(position);
        }
        let position = self.store.write_blocking(read_position)?;
        self.position = Some(position);
        Ok(position)
    }

    fn summed(&mut self) -> Result<JournalId> {
        if let Some(summed) = self.summed {
            return Ok(summed);
        }
        let summed = self.store.write_blocking(summed)?;
        self.summed = Some(summed);
        Ok(summed)
    }

    /// The rows that there are already at the ids of the entries that are not new.
    fn present(&self, items: &[Item<'_>], after: JournalId) -> Result<HashSet<RowId>> {
        let retried: Vec<i64> = items
            .iter()
            .map(|item| item.id)
            .filter(|id| *id <= after)
            .map(JournalId::as_i64)
            .collect();
        if retried.is_empty() {
            return Ok(HashSet::new());
        }
        self.store.write_blocking(move |connection| {
            let list = serde_json::to_string(&retried)?;
            let present = connection
                .prepare(include_str!("sql/present_entries.sql"))?
                .query_map([list], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<duckdb::Result<HashSet<RowId>>>()?;
            Ok(present)
        })
    }

    /// Keeps what is known of the position in step with whether the store took the change.
    fn settle<T>(
        &mut self,
        result: Result<T>,
        position: impl FnOnce(&T) -> Option<Position>,
    ) -> std::result::Result<T, SinkError> {
        self.position = result.as_ref().ok().map(position);
        self.summed = None;
        result.map_err(sink_error)
    }
}

impl Sink for ActivitySink {
    fn name(&self) -> &'static str {
        "timestore"
    }

    fn checkpoint(&mut self) -> std::result::Result<Option<Checkpoint>, SinkError> {
        // Asked for anew, since a consumer asks when it is in doubt. The owner thread answers after it
        // has ended what is in flight.
        self.flight = None;
        self.position = None;
        let position = self.position().map_err(sink_error)?;
        Ok(position.map(|position| position.checkpoint))
    }

    fn apply(&mut self, batch: &Batch<'_>) -> std::result::Result<(), SinkError> {
        let flight = self.take_off(batch);
        self.land_flight(flight)
    }

    fn begin(&mut self, batch: &Batch<'_>) -> std::result::Result<Begun, SinkError> {
        // It is with the owner thread before the one in flight is waited for. If that one fails, the
        // owner finds another position than this one names.
        let next = self.take_off(batch);
        if let Some(before) = self.flight.take() {
            self.land_flight(Ok(before))?;
        }
        match next {
            Ok(next) => self.flight = Some(next),
            Err(error) => return self.land_flight(Err(error)).map(|()| Begun::Durable),
        }
        Ok(Begun::InFlight)
    }

    fn land(&mut self) -> std::result::Result<(), SinkError> {
        match self.flight.take() {
            Some(flight) => self.land_flight(Ok(flight)),
            None => Ok(()),
        }
    }

    fn tidy(&mut self) {
        if self.unfolded.is_due() && self.store.begin_write(fold::fold).is_ok() {
            self.unfolded = Unfolded::default();
        }
        self.progress.at_head();
    }

    fn load_snapshot(&mut self, snapshot: Snapshot<'_>) -> std::result::Result<(), SinkError> {
        let result = self.position().and_then(|stored| {
            snapshot::load(
                &self.store,
                &self.dataset,
                snapshot,
                stored,
                false,
                self.clock.now(),
            )
        });
        self.settle(result, |next| Some(*next)).map(drop)
    }

    fn dead_letters(
        &mut self,
        after: JournalId,
        limit: usize,
    ) -> std::result::Result<Vec<DeadLetter>, SinkError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.store
            .write_blocking(move |connection| read_dead_letters(connection, after, limit))
            .map_err(sink_error)
    }

    fn dead_letter_count(&mut self) -> std::result::Result<u64, SinkError> {
        self.store
            .write_blocking(|connection| {
                let sql = "SELECT count(*)::UBIGINT FROM tidemark.dead_letters";
                Ok(connection.query_row(sql, [], |row| row.get(0))?)
            })
            .map_err(sink_error)
    }

    fn keeps_history(&self) -> bool {
        true
    }

    fn replay_floor(&mut self) -> std::result::Result<JournalId, SinkError> {
        let position = self.position().map_err(sink_error)?;
        Ok(position.map_or(JournalId::ZERO, |position| position.snapshot_id))
    }

    fn begin_rebuild(&mut self, new: NewBook) -> std::result::Result<Rebuild, SinkError> {
        rebuild::begin(&self.store).map_err(sink_error)?;
        Ok(new.begun())
    }

    fn fill_rebuild(
        &mut self,
        _rebuild: &Rebuild,
        batch: &Batch<'_>,
    ) -> std::result::Result<(), SinkError> {
        self.gather(batch).map_err(sink_error)
    }

    fn fill_rebuild_from_snapshot(
        &mut self,
        rebuild: &Rebuild,
        snapshot: Snapshot<'_>,
    ) -> std::result::Result<(), SinkError> {
        let result = self.begin_with_snapshot(rebuild, snapshot);
        self.settle(result, |next| Some(*next)).map(drop)
    }

    fn finish_rebuild(
        &mut self,
        rebuild: &Rebuild,
        checkpoint: Checkpoint,
    ) -> std::result::Result<(), SinkError> {
        if rebuild.base == Base::Snapshot {
            rebuild::abandon(&self.store);
            return Ok(());
        }
        let result = self.swap(rebuild, checkpoint);
        self.settle(result, |next| Some(*next)).map(drop)
    }

    fn abandon_rebuild(&mut self, _rebuild: Rebuild) {
        rebuild::abandon(&self.store);
    }
}

/// A row by its journal id and the node whose state it tells, if it tells one: at a snapshot's id
/// there are rows of other nodes too.
type RowId = (i64, Option<i64>);

const fn row_of(item: &Item<'_>) -> RowId {
    let node = match item.event {
        Event::Node(_) | Event::Reconciled(_) => item.node_id,
        _ => None,
    };
    (item.id.as_i64(), node)
}

/// Sends the rows of the items that are not present, and the end mark.
fn send_rows(
    items: &[Item<'_>],
    snapshot_id: JournalId,
    present: &HashSet<RowId>,
    now: Time,
    send: &Sender<Piece>,
) -> Result<()> {
    for piece in items.chunks(PIECE_ROWS) {
        let rows = build(piece, snapshot_id, present, now)?;
        if send.send(Piece::Rows(rows)).is_err() {
            return Ok(());
        }
    }
    // The owner may have failed.
    let _ = send.send(Piece::End);
    Ok(())
}

fn build(
    items: &[Item<'_>],
    snapshot_id: JournalId,
    present: &HashSet<RowId>,
    now: Time,
) -> Result<RecordBatch> {
    let mut builder = Builder::with_capacity(items.len(), now);
    for item in items {
        if present.contains(&row_of(item)) {
            continue;
        }
        let mut row = Row::of(item, now);
        if item.id <= snapshot_id {
            row.size_delta = row.size_delta.map(|_| 0);
            row.file_delta = row.file_delta.map(|_| 0);
        }
        builder.push(&row);
    }
    Ok(builder.finish()?)
}

/// Parks and unparks dead letters.
fn settle(connection: &Connection, parked: &[DeadLetter], resolved: &[JournalId]) -> Result<()> {
    let gone = parked
        .iter()
        .map(|letter| letter.journal_id)
        .chain(resolved.iter().copied());
    for id in gone {
        connection
            .prepare_cached("DELETE FROM tidemark.dead_letters WHERE journal_id = ?")?
            .execute([id.as_i64()])?;
    }
    for letter in parked {
        connection
            .prepare_cached(include_str!("sql/park.sql"))?
            .execute(params![
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

fn read_dead_letters(
    connection: &Connection,
    after: JournalId,
    limit: i64,
) -> Result<Vec<DeadLetter>> {
    let mut statement = connection.prepare_cached(include_str!("sql/dead_letters.sql"))?;
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
    Ok(letters.collect::<duckdb::Result<_>>()?)
}

/// The checkpoint that rows read in the same transaction reflect.
pub(crate) fn read_checkpoint(connection: &Connection) -> Result<Option<Checkpoint>> {
    Ok(read_position(connection)?.map(|position| position.checkpoint))
}

fn read_position(connection: &Connection) -> Result<Option<Position>> {
    let found: Option<(String, i64, String, i64)> = connection
        .query_row(
            "SELECT epoch, journal_id, digest, snapshot_id FROM tidemark.filestore_sync",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )
        .optional()?;
    let Some((epoch, journal_id, digest, snapshot_id)) = found else {
        return Ok(None);
    };
    let damaged = |what: &str| Error::internal(format!("the stored checkpoint has a bad {what}"));
    Ok(Some(Position {
        checkpoint: Checkpoint {
            epoch: epoch.parse().map_err(|_| damaged("epoch"))?,
            journal_id: JournalId::from_i64(journal_id),
            digest: digest.parse().map_err(|_| damaged("digest"))?,
        },
        snapshot_id: JournalId::from_i64(snapshot_id),
    }))
}

/// As [`store_position`], where rows were not only appended: the sums by hour are made anew, and
/// those of usage are forgotten.
fn write_position(
    connection: &Connection,
    next: &Position,
    stored: Option<&Position>,
) -> Result<()> {
    hours::renew(connection, next.checkpoint.journal_id)?;
    usage::forget(connection)?;
    store_position(connection, next, stored)
}

/// `stored` is what this sink knows to be there.
fn store_position(
    connection: &Connection,
    next: &Position,
    stored: Option<&Position>,
) -> Result<()> {
    let next_epoch = next.checkpoint.epoch.to_string();
    let next_id = next.checkpoint.journal_id.as_i64();
    let digest = next.checkpoint.digest.to_string();
    let snapshot_id = next.snapshot_id.as_i64();
    let next = params![next_epoch, next_id, digest, snapshot_id];
    // There is one row at most: where the known one goes, no other is left.
    let written = match stored {
        None => connection
            .prepare_cached(include_str!("sql/insert_first_checkpoint.sql"))?
            .execute(next)?,
        Some(stored) => {
            let forgotten = connection
                .prepare_cached(include_str!("sql/forget_checkpoint.sql"))?
                .execute(params![
                    stored.checkpoint.epoch.to_string(),
                    stored.checkpoint.journal_id.as_i64()
                ])?;
            match forgotten {
                1 => connection
                    .prepare_cached(include_str!("sql/insert_checkpoint.sql"))?
                    .execute(next)?,
                _ => 0,
            }
        }
    };
    if written == 1 {
        return Ok(());
    }
    // Another sink of the same timestore wrote meanwhile.
    Err(Error::internal(
        "the stored checkpoint is not the one this sink knows",
    ))
}

fn sink_error(error: Error) -> SinkError {
    let message = error.to_string();
    match error {
        Error::Damaged(source) => SinkError::Damaged(message, Some(Box::new(source))),
        Error::Conflict { .. } => SinkError::Damaged(message, None),
        other => SinkError::Unavailable(message, Some(Box::new(other))),
    }
}
