//! How entries become blocks.

use super::{Entries, Run, block, damaged};
use crate::{Head, StoreError, meta};
use journal::JournalId;
use rusqlite::{Connection, TransactionBehavior, params};
use std::ops::ControlFlow;

/// With so many rows in the tail, the oldest of them are sealed.
pub(crate) const TAIL_ROWS: u64 = 4_096;

/// A tail up to this long is sealed with what a job appends. A longer one is what an earlier version
/// left: it is sealed step by step, and entries after it are rows until then.
const TAIL_MOST: u64 = 2 * TAIL_ROWS;

/// Writes what a job has appended so far as blocks. Gives back what does not fill one.
pub(crate) fn write_blocks(connection: &Connection, appended: Run) -> Result<Run, StoreError> {
    let Some(tail) = short_tail(connection, appended.before())? else {
        write_rows(connection, &appended)?;
        return Ok(Run::after(appended.last()));
    };
    Entries::new(connection, None).remove_rows(tail.last().id)?;
    let mut rest = tail;
    rest.append(appended);
    while let Some(full) = rest.take_block() {
        block::insert(connection, &full)?;
    }
    Ok(rest)
}

/// Writes all that a job has appended: many entries as blocks, few as rows.
pub(crate) fn write_all(connection: &Connection, appended: Run) -> Result<(), StoreError> {
    if !appended.is_many() {
        return write_rows(connection, &appended);
    }
    let rest = write_blocks(connection, appended)?;
    if rest.is_many() {
        block::insert(connection, &rest)
    } else {
        write_rows(connection, &rest)
    }
}

/// Seals the oldest rows if the tail has at least `least` (> 0). Gives how many are left, if it did.
pub(crate) fn seal_oldest(
    connection: &mut Connection,
    head: JournalId,
    least: u64,
) -> Result<Option<u64>, StoreError> {
    let sealed = sealed(connection)?;
    if head.entries_since(sealed.id) < least {
        return Ok(None);
    }
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let oldest = rows_after(&tx, sealed)?;
    // The rows first: the block takes the pages that they leave.
    Entries::new(&tx, None).remove_rows(oldest.last().id)?;
    block::insert(&tx, &oldest)?;
    tx.commit()?;
    Ok(Some(head.entries_since(oldest.last().id)))
}

/// The last entry in a block, or the last one trimmed.
fn sealed(connection: &Connection) -> Result<Head, StoreError> {
    match Entries::new(connection, None).last_in_block()? {
        Some(last) => Ok(last),
        None => Ok(meta::read(connection)?.trimmed),
    }
}

/// All rows of the tail, up to `end`. `None` if they are too many to be sealed at once, or are not
/// what was written: these stay as they are, to be found.
fn short_tail(connection: &Connection, end: Head) -> Result<Option<Run>, StoreError> {
    let sealed = sealed(connection)?;
    if end.id.entries_since(sealed.id) > TAIL_MOST {
        return Ok(None);
    }
    let mut tail = Run::after(sealed);
    while tail.last().id < end.id {
        match rows_after(connection, tail.last()) {
            Ok(next) => tail.append(next),
            Err(StoreError::Damaged(_)) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok((tail.last() == end).then_some(tail))
}

/// The rows after `after`, as many as make a block. There is one at least.
fn rows_after(connection: &Connection, after: Head) -> Result<Run, StoreError> {
    let mut run = Run::after(after);
    Entries::new(connection, None).walk_rows(after.id, |entry| {
        entry.follows(run.last()).map_err(damaged)?;
        run.push(
            entry.committed_at,
            entry.node_id,
            entry.event_type.clone(),
            entry.size_delta,
            entry.data,
        );
        Ok(if run.is_full() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    })?;
    if run.last() == after {
        let missing = format!("journal entry {} is missing", after.id.next());
        return Err(StoreError::Damaged(missing));
    }
    Ok(run)
}

fn write_rows(connection: &Connection, run: &Run) -> Result<(), StoreError> {
    let mut insert = connection.prepare_cached(include_str!("../sql/append.sql"))?;
    for entry in run.iter() {
        insert.execute(params![
            entry.id.as_i64(),
            entry.committed_at.as_millis(),
            entry.node_id,
            entry.event_type.as_str(),
            entry.size_delta,
            entry.data,
            entry.digest.as_bytes(),
        ])?;
    }
    Ok(())
}
