//! Moves the mark: one piece of the journal becomes states, past states and sums.
//!
//! First everything that takes time is computed into temporary tables, in a transaction that reads
//! only, so the journal's batches are written meanwhile and the log is folded. Then the results are
//! taken over in a short transaction, while the owner thread waits: nothing else is written then.
//! If the sums were forgotten in between, the piece is dropped.

use super::{Mark, mark, size_class};
use crate::error::{Error, Result};
use crate::questions::{GROUP, MODIFIED, USER};
use crate::sink::read_checkpoint;
use crate::store::{self, Store};
use duckdb::Connection;
use std::time::Duration;

/// How long the owner thread may be busy with something else before the piece is given up.
const OWNER_WAIT: Duration = Duration::from_secs(5);

/// A segment has so many times the entries that questions read one by one. It is made in pieces of
/// so many entries as they read, since a piece costs memory.
const SEGMENT_TAILS: i64 = 5;
/// Sums are made over all present states, so a piece is at least this part of them.
const STATES_A_PIECE: i64 = 64;

/// How much is summed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Amount {
    /// So many of the newest entries are left to the questions.
    pub(super) tail: i64,
    /// None is left.
    pub(super) is_all: bool,
}

/// A piece of the journal that was gathered.
struct Piece {
    before: Mark,
    after: Mark,
}

/// Sums one piece on this connection, which `store` gave. Whether there was one.
pub(super) fn fold(store: &Store, connection: &Connection, amount: Amount) -> Result<bool> {
    let gathered = store::transaction(connection, |connection| gather(connection, amount))?;
    let Some(piece) = gathered else {
        return Ok(false);
    };
    let (go, may_go) = crossbeam_channel::bounded(1);
    let (done, is_done) = crossbeam_channel::bounded::<()>(1);
    let answer = store.begin_write(move |_| {
        // Whoever gave up waiting is not there; else the wait ends with the transaction below.
        if go.send(()).is_ok() {
            let _ = is_done.recv();
        }
        Ok(())
    })?;
    may_go.recv_timeout(OWNER_WAIT).map_err(|_| Error::Busy)?;
    let settled = store::transaction(connection, |connection| settle(connection, &piece));
    drop(done);
    answer.recv().map_err(|_| Error::Closed)??;
    settled?;
    Ok(true)
}

fn gather(connection: &Connection, amount: Amount) -> Result<Option<Piece>> {
    let before = mark(connection)?;
    let head = read_checkpoint(connection)?.map_or(0, |checkpoint| checkpoint.journal_id.as_i64());
    let waiting = head.saturating_sub(before.journal_id);
    let piece = amount.tail.max(states(connection)? / STATES_A_PIECE).max(1);
    let least = if amount.is_all { 1 } else { piece };
    if waiting < least {
        return Ok(None);
    }
    let most = amount.tail.saturating_mul(SEGMENT_TAILS).max(1);
    let entries = waiting.min(piece).min(most);
    let is_full = before.entries >= most;
    let after = Mark {
        journal_id: before.journal_id + entries,
        segment: before.segment + i32::from(is_full),
        entries: if is_full {
            entries
        } else {
            before.entries + entries
        },
        generation: before.generation,
    };
    let sql = text(include_str!("../sql/usage_gather.sql"), &before, &after);
    connection.execute_batch(&sql)?;
    Ok(Some(Piece { before, after }))
}

fn states(connection: &Connection) -> Result<i64> {
    let sql = "SELECT count(*) FROM tidemark.usage_states";
    Ok(connection.query_row(sql, [], |row| row.get(0))?)
}

/// Takes it over, unless the sums were forgotten meanwhile: then there are others to make.
fn settle(connection: &Connection, piece: &Piece) -> Result<()> {
    if mark(connection)?.generation != piece.before.generation {
        return Ok(());
    }
    let sql = text(
        include_str!("../sql/usage_settle.sql"),
        &piece.before,
        &piece.after,
    );
    Ok(connection.execute_batch(&sql)?)
}

fn text(template: &str, before: &Mark, after: &Mark) -> String {
    template
        .replace("{user}", USER)
        .replace("{group}", GROUP)
        .replace("{modified}", MODIFIED)
        .replace("{class}", &size_class("sized.size_bytes"))
        .replace("{same_cell}", include_str!("../sql/usage_same_cell.sql"))
        .replace("{after}", &before.journal_id.to_string())
        .replace("{head}", &after.journal_id.to_string())
        .replace("{segment}", &after.segment.to_string())
        .replace("{entries}", &after.entries.to_string())
        .replace("{generation}", &after.generation.to_string())
}
