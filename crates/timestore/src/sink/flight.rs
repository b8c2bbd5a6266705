//! Batches on their way: built here, appended and committed by the owner thread.
//!
//! A batch may take off while the one before it is in flight. The owner takes jobs in order, and each
//! names the position that it goes on from: if a batch fails, the next one finds another position in
//! the store, and fails as well.

use super::{
    ActivitySink, Position, hours, pieces, row_of, send_rows, settle, sink_error, store_position,
};
use super::{MANY, Target};
use crate::error::{Error, Result};
use crate::pipeline;
use crate::store;
use crate::usage;
use crossbeam_channel::Receiver;
use feed::{Batch, SinkError};
use journal::JournalId;

/// A batch that the owner thread has.
#[derive(Debug)]
pub(super) struct Flight {
    /// The position that it leads to.
    pub(super) next: Position,
    entries: usize,
    /// The last entry in the sums by hour, when it has committed.
    summed: Receiver<Result<JournalId>>,
}

impl ActivitySink {
    /// Hands the batch to the owner thread.
    pub(super) fn take_off(&mut self, batch: &Batch<'_>) -> Result<Flight> {
        let stored = match &self.flight {
            Some(before) => Some(before.next),
            None => self.position()?,
        };
        if let Some(stored) = stored
            && stored.checkpoint.epoch != batch.checkpoint.epoch
        {
            let detail = format!(
                "the activity follows the journal {}, and the batch is of {}",
                stored.checkpoint.epoch, batch.checkpoint.epoch
            );
            return Err(Error::Conflict {
                code: httpkit::Code::JournalMismatch,
                detail,
            });
        }
        let after = stored.map_or(JournalId::ZERO, |stored| stored.checkpoint.journal_id);
        let snapshot_id = stored.map_or(JournalId::ZERO, |stored| stored.snapshot_id);
        let next = match stored {
            Some(stored) if batch.checkpoint.journal_id <= after => stored,
            _ => Position {
                checkpoint: batch.checkpoint,
                snapshot_id,
            },
        };
        let present = self.present(batch.items, after)?;
        // What is summed after the batch in flight, that one tells.
        let summed = match &self.flight {
            Some(_) => None,
            None => Some(self.summed()?),
        };
        let enough = self.sum_entries;
        // A command's own row adds to no sum, and at its id there may be rows that a snapshot added.
        let late: Vec<i64> = batch
            .items
            .iter()
            .filter(|item| item.id <= after)
            .map(row_of)
            .filter(|row| row.1.is_some() && !present.contains(row))
            .map(|(id, _)| id)
            .collect();
        let (parked, resolved) = (batch.parked.to_vec(), batch.resolved.to_vec());
        let (table, now) = (self.dataset.table.clone(), self.clock.now());
        let (send, rows) = pieces::channel();
        let answer = self.store.begin_write(move |connection| {
            store::transaction(connection, |connection| {
                // Before the rows, the first of which are being built meanwhile.
                settle(connection, &parked, &resolved)?;
                store_position(connection, &next, stored.as_ref())?;
                pipeline::append_activity(connection, |connection| {
                    let target = Target {
                        connection,
                        catalog: None,
                        table: &table,
                    };
                    pieces::append_all(target, &rows)
                })?;
                if !late.is_empty() {
                    usage::forget(connection)?;
                }
                let summed = match summed {
                    Some(summed) => summed,
                    None => hours::summed(connection)?,
                };
                let head = next.checkpoint.journal_id;
                hours::follow(connection, summed, head, enough, &late)
            })
        })?;
        // If the owner fails, it drops the channel, and its answer says why.
        if let Err(error) = send_rows(batch.items, snapshot_id, &present, now, &send) {
            // Without the end mark it does not commit; what it says of that says less.
            drop(send);
            drop(answer.recv());
            return Err(error);
        }
        Ok(Flight {
            next,
            entries: batch.items.len(),
            summed: answer,
        })
    }

    /// Waits until it has committed.
    pub(super) fn land_flight(
        &mut self,
        flight: Result<Flight>,
    ) -> std::result::Result<(), SinkError> {
        let landed = flight.and_then(|flight| {
            let summed = flight.summed.recv().map_err(|_| Error::Closed)??;
            Ok((flight, summed))
        });
        match landed {
            Ok((flight, summed)) => {
                (self.position, self.summed) = (Some(Some(flight.next)), Some(summed));
                self.unfolded.add(flight.entries);
                self.progress.add(flight.entries, flight.entries >= MANY);
                Ok(())
            }
            Err(error) => {
                // What is queued behind it finds another position than it names.
                (self.position, self.summed, self.flight) = (None, None, None);
                Err(sink_error(error))
            }
        }
    }
}
