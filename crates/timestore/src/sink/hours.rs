//! Sums of the activity by hour, so that growth over ten million rows reads a few thousand.
//!
//! `tidemark.growth_hours` holds the sums over all rows up to the entry in
//! `tidemark.growth_summed`; a question adds the rows after it, which are the newest and few, and
//! which DuckDB finds by the zone maps of `journal_id`. So live entries cost nothing here: only
//! when enough of them have gathered are they summed, by one statement, in the transaction of the
//! batch that makes them enough. Both sides are always disjoint and together everything:
//!
//! * an entry that comes late (a retried dead letter) and lies at or below the mark is summed in
//!   the transaction that appends its row;
//! * when rows are changed otherwise (a snapshot, a rebuild), all sums are made anew, in the
//!   transaction of the change.
//!
//! Sums are only ever appended, never updated; see [`super`] for why.

use crate::error::Result;
use crate::questions::{COUNT, WEIGHT};
use duckdb::{Connection, params};
use journal::JournalId;

/// The last entry that is summed.
pub(crate) fn summed(connection: &Connection) -> Result<JournalId> {
    let sql = "SELECT coalesce(max(journal_id), 0) FROM tidemark.growth_summed";
    let id = connection
        .prepare_cached(sql)?
        .query_row([], |row| row.get(0))?;
    Ok(JournalId::from_i64(id))
}

/// Keeps the sums true after rows were appended: those of `late` at or
/// below `summed` are added. Sums what
/// has gathered up to `head`, if that is `enough`, and tells what is summed now.
pub(super) fn follow(
    connection: &Connection,
    summed: JournalId,
    head: JournalId,
    enough: u64,
    late: &[i64],
) -> Result<JournalId> {
    let late: Vec<i64> = late
        .iter()
        .copied()
        .filter(|id| *id <= summed.as_i64())
        .collect();
    if !late.is_empty() {
        let rows = "journal_id IN (SELECT unnest(from_json($1::JSON, '[\"BIGINT\"]')))";
        connection.execute(&sum(rows), [serde_json::to_string(&late)?])?;
    }
    if head < summed || head.entries_since(summed) < enough.max(1) {
        return Ok(summed);
    }
    let rows = "journal_id > $1 AND journal_id <= $2";
    connection.execute(&sum(rows), params![summed.as_i64(), head.as_i64()])?;
    connection.execute("DELETE FROM tidemark.growth_summed", [])?;
    connection.execute(
        "INSERT INTO tidemark.growth_summed VALUES (?)",
        [head.as_i64()],
    )?;
    Ok(head)
}

/// Makes all sums anew from the rows up to `head`.
pub(super) fn renew(connection: &Connection, head: JournalId) -> Result<()> {
    connection
        .execute_batch("DELETE FROM tidemark.growth_hours; DELETE FROM tidemark.growth_summed;")?;
    follow(connection, JournalId::ZERO, head, 1, &[]).map(drop)
}

fn sum(rows: &str) -> String {
    include_str!("../sql/sum_hours.sql")
        .replace("{rows}", rows)
        .replace("{weight}", WEIGHT)
        .replace("{count}", COUNT)
}
