//! Rows on their way to the owner thread, piece by piece: the next piece is built while DuckDB
//! takes this one, and only a few are in memory. Each is flushed when it has come, since DuckDB takes
//! the rows of an appender only then: after the last piece only that one is left to take.
//!
//! Columns in which a piece has nothing are left out. Handing DuckDB a NULL costs as much as handing
//! it a number, and of forty columns most rows fill half.

use crate::error::{Error, Result};
use crossbeam_channel::{Receiver, Sender};
use duckdb::arrow::array::Array;
use duckdb::arrow::record_batch::RecordBatch;
use duckdb::{Appender, Connection};

/// Rows in a piece: one of DuckDB's vectors.
pub(super) const PIECE_ROWS: usize = 2_048;

/// Pieces that wait to be taken.
const AHEAD: usize = 2;

/// Naming the columns costs more than it saves for fewer rows.
const NAMES_COLUMNS: usize = 64;

/// What is sent. Without the end mark the transaction does not commit.
pub(super) enum Piece {
    Rows(RecordBatch),
    End,
}

/// The table that the rows go to.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) connection: &'a Connection,
    pub(super) catalog: Option<&'a str>,
    pub(super) table: &'a str,
}

pub(super) fn channel() -> (Sender<Piece>, Receiver<Piece>) {
    crossbeam_channel::bounded(AHEAD)
}

/// Appends what comes, up to the end mark, and tells how many rows.
///
/// # Errors
/// [`Error::Cancelled`], if the sender goes away before: it failed, and says why itself.
pub(super) fn append_all(target: Target<'_>, pieces: &Receiver<Piece>) -> Result<usize> {
    let mut rows = 0;
    let mut open: Option<(Vec<usize>, Appender<'_>)> = None;
    loop {
        let piece = match pieces.recv() {
            Ok(Piece::Rows(piece)) => piece,
            Ok(Piece::End) => return Ok(rows),
            Err(_) => return Err(Error::Cancelled),
        };
        rows += piece.num_rows();
        let filled = filled(&piece);
        let piece = piece.project(&filled)?;
        let mut appender = match open.take() {
            Some((columns, appender)) if columns == filled => appender,
            _ => target.appender(&piece)?,
        };
        appender.append_record_batch(piece)?;
        // Explicitly: an appender that is dropped hides its errors.
        appender.flush()?;
        open = Some((filled, appender));
    }
}

/// The columns that are worth handing over.
fn filled(piece: &RecordBatch) -> Vec<usize> {
    let rows = piece.num_rows();
    let columns = piece.columns().iter().enumerate();
    columns
        .filter(|(_, column)| rows < NAMES_COLUMNS || column.null_count() < rows)
        .map(|(at, _)| at)
        .collect()
}

impl<'a> Target<'a> {
    /// For batches with the columns of this one.
    fn appender(self, piece: &RecordBatch) -> Result<Appender<'a>> {
        let schema = piece.schema();
        let names: Vec<&str> = schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        let (connection, table) = (self.connection, self.table);
        let is_whole = names.len() == crate::activity::COLUMNS.len();
        Ok(match self.catalog {
            None if is_whole => connection.appender_to_db(table, "main")?,
            None => connection.appender_with_columns_to_db(table, "main", &names)?,
            Some(catalog) if is_whole => {
                connection.appender_to_catalog_and_db(table, catalog, "main")?
            }
            Some(catalog) => connection
                .appender_with_columns_to_catalog_and_db(table, catalog, "main", &names)?,
        })
    }
}
