//! Sums of usage, so that whose the bytes are is told without reading ten million rows.
//!
//! What a file is counted by (mount, user, group, extension, kind, class of its size) is its *cell*.
//! `usage_states` holds the present state of each node, `usage_past` the states of files that have
//! ended, each with the times between which it held. The journal is cut into *segments* of so many
//! entries, which are also times that follow each other. For each segment `usage_sums` has, by cell,
//! what lasted from before its beginning until after its end, and, as segment 0, what is present. So
//! what there was at a time is the sums of the segment that the time lies in, and the states that
//! began or ended in that segment.
//!
//! All of this is up to one entry, the *mark*. A question takes the nodes that newer entries are
//! about out of the sums of what is present, and adds their states from the rows. Oldest and newest
//! cannot be subtracted: where such a node was one of them, the next one is looked for.
//!
//! Nothing of this is written by the journal's batches. A thread ([`Keeper`]) moves the mark when the
//! book is at the head and enough has gathered, a piece at a time ([`fold`]). Three things keep the
//! answers what they would be without it:
//!
//! * entries take effect in the order of ids, and their times may go back. An entry that is older
//!   than the mark's time counts from that time on, and the time between is noted as unsettled;
//! * a question about an unsettled time, about a time before the mark's that newer entries tell of,
//!   or about a state before the mark (a page of an older answer) reads the rows;
//! * when rows at or below the mark come or go otherwise (a retried dead letter, a snapshot, a
//!   rebuild), the sums are forgotten in that transaction, and are made anew.

mod fold;
mod keeper;

pub(crate) use keeper::{Keeper, Progress};

use crate::error::Result;
use duckdb::types::Value;
use duckdb::{Connection, OptionalExt as _};

/// The class of a size: 0 for nothing, else eight classes for each power of two, so that sizes in
/// one class differ by less than a tenth.
pub(crate) fn size_class(size: &str) -> String {
    format!("CASE WHEN {size} > 0 THEN 1 + floor(8 * log2({size}::DOUBLE))::INTEGER ELSE 0 END")
}

/// The class of a power of two.
pub(crate) const fn class_of_power(exponent: u32) -> u32 {
    1 + 8 * exponent
}

/// How far the sums go.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    journal_id: i64,
    segment: i32,
    /// Entries in the segment so far.
    entries: i64,
    generation: i64,
}

/// What answers a question about usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The rows, all of them.
    Rows,
    /// The sums up to this entry, and the rows after it.
    Present(i64),
    /// The sums of this segment, and what began or ended in it.
    Segment(i32),
}

/// Makes the tables where they are missing.
pub(crate) fn prepare(connection: &Connection) -> Result<()> {
    connection.execute_batch(include_str!("sql/usage_tables.sql"))?;
    match mark(connection)?.generation {
        0 => forget(connection),
        _ => Ok(()),
    }
}

/// Forgets all sums, since rows have changed that are in them.
pub(crate) fn forget(connection: &Connection) -> Result<()> {
    Ok(connection.execute_batch(include_str!("sql/usage_forget.sql"))?)
}

/// What a question about the state at the entry `head`, as far as it was observed at `at`, is
/// answered from.
pub(crate) fn source(connection: &Connection, head: i64, at: Option<&Value>) -> Result<Source> {
    let mark = mark(connection)?;
    if mark.journal_id == 0 || head < mark.journal_id {
        return Ok(Source::Rows);
    }
    let present = Source::Present(mark.journal_id);
    let Some(at) = at else {
        return Ok(present);
    };
    let is_past = connection
        .prepare_cached("SELECT ? < ends FROM tidemark.usage_summed")?
        .query_row([at], |row| row.get::<_, bool>(0))?;
    if !is_past {
        return Ok(present);
    }
    let values: [&dyn duckdb::ToSql; 3] = [&mark.journal_id, &head, at];
    let segment = connection
        .prepare_cached(include_str!("sql/usage_segment.sql"))?
        .query_row(values, |row| row.get(0))
        .optional()?;
    Ok(segment.map_or(Source::Rows, Source::Segment))
}

/// Compares the sums of what is present with the rows, and tells each mount that differs.
pub(crate) fn differences(connection: &Connection) -> Result<Vec<String>> {
    let mut statement = connection.prepare(include_str!("sql/usage_check.sql"))?;
    let differences = statement.query_map([], |row| {
        let (mount, files, bytes): (Option<i64>, String, String) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        let mount = mount.map_or_else(|| "no mount".to_owned(), |id| format!("mount {id}"));
        Ok(format!(
            "the rows of {mount} have {files} files and {bytes} bytes more than the sums of usage; \
             rebuild the timestore"
        ))
    })?;
    Ok(differences.collect::<duckdb::Result<_>>()?)
}

fn mark(connection: &Connection) -> Result<Mark> {
    let sql = "SELECT journal_id, segment, entries, generation FROM tidemark.usage_summed";
    let mark = connection
        .prepare_cached(sql)?
        .query_row([], |row| {
            Ok(Mark {
                journal_id: row.get(0)?,
                segment: row.get(1)?,
                entries: row.get(2)?,
                generation: row.get(3)?,
            })
        })
        .optional()?;
    Ok(mark.unwrap_or_default())
}
