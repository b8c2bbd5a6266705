//! Rows on their way to the owner thread, piece by piece: the next piece is built while DuckDB
//! takes this one, and only a few are in memory.

use crate::error::{Error, Result};
use crossbeam_channel::{Receiver, Sender};
use duckdb::Appender;
use duckdb::arrow::record_batch::RecordBatch;

/// Rows in a piece: one of DuckDB's vectors.
pub(super) const PIECE_ROWS: usize = 2_048;

/// Pieces that wait to be taken.
const AHEAD: usize = 2;

/// What is sent. Without the end mark the transaction does not commit.
pub(super) enum Piece {
    Rows(RecordBatch),
    End,
}

pub(super) fn channel() -> (Sender<Piece>, Receiver<Piece>) {
    crossbeam_channel::bounded(AHEAD)
}

/// Appends what comes, up to the end mark, and tells how many rows.
///
/// # Errors
/// [`Error::Cancelled`], if the sender goes away before: it failed, and says why itself.
pub(super) fn append_all(appender: &mut Appender<'_>, pieces: &Receiver<Piece>) -> Result<usize> {
    let mut rows = 0;
    loop {
        match pieces.recv() {
            Ok(Piece::Rows(batch)) => {
                rows += batch.num_rows();
                appender.append_record_batch(batch)?;
            }
            Ok(Piece::End) => break,
            Err(_) => return Err(Error::Cancelled),
        }
    }
    // Flushed explicitly: an appender that is dropped hides its errors.
    appender.flush()?;
    Ok(rows)
}
