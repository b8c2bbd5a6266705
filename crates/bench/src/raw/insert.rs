//! Bare inserts of the rows that a scan left in the catalogue, into the same tables.

use super::sqlite;
use crate::outcome::Outcome;
use crate::scan;
use crate::watch::{Stopwatch, Watched};
use filestore::{Filestore, Options};
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, TransactionBehavior, params_from_iter};
use std::path::Path;

/// What a scan fills: the nodes, what is told of them, what lies below them, and what their
/// directories looked like.
const TABLES: [&str; 5] = ["nodes", "journal", "journal_blocks", "rollups", "listings"];

/// Names in a transaction: the scan's batch.
const BATCH: u64 = 5_000;

/// A table that is copied, and how far it is.
struct Table {
    select: String,
    insert: String,
    rows: u64,
    after: i64,
}

pub(crate) fn measure(from: &Path, data: &Path) -> anyhow::Result<Outcome> {
    // The filestore makes its tables.
    Filestore::open(Options::new(data))?.close();
    let source = Connection::open_with_flags(
        scan::database(from),
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    let mut sink = sqlite::open(&scan::database(data))?;
    let mut tables = TABLES
        .iter()
        .map(|name| Table::open(&source, name))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let names = tables.first().map_or(0, |nodes| nodes.rows);
    let batches = names.div_ceil(BATCH).max(1);
    let mut watched = Watched::default();
    for _ in 0..batches {
        let loaded = tables
            .iter_mut()
            .map(|table| table.next(&source, table.rows.div_ceil(batches)))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let watch = Stopwatch::start();
        insert(&mut sink, &tables, &loaded)?;
        watched += watch.stop();
    }
    Ok(Outcome::of(names, watched))
}

impl Table {
    fn open(connection: &Connection, name: &str) -> anyhow::Result<Self> {
        // Generated columns are not among these.
        let mut statement = connection.prepare("SELECT name FROM pragma_table_info(?1)")?;
        let columns = statement
            .query_map([name], |row| row.get::<_, String>(0))?
            .collect::<Result<Vec<_>, _>>()?;
        let rows: i64 =
            connection.query_row(&format!("SELECT count(*) FROM {name}"), [], |row| {
                row.get(0)
            })?;
        let places = vec!["?"; columns.len()].join(", ");
        let columns = columns.join(", ");
        Ok(Self {
            select: format!(
                "SELECT rowid, {columns} FROM {name} WHERE rowid > ?1 ORDER BY rowid LIMIT ?2"
            ),
            insert: format!("INSERT INTO {name} ({columns}) VALUES ({places})"),
            rows: rows.unsigned_abs(),
            after: 0,
        })
    }

    fn next(&mut self, connection: &Connection, limit: u64) -> anyhow::Result<Vec<Vec<Value>>> {
        let mut statement = connection.prepare_cached(&self.select)?;
        let columns = statement.column_count();
        let mut rows = statement.query([self.after, i64::try_from(limit)?])?;
        let mut loaded = Vec::new();
        while let Some(row) = rows.next()? {
            self.after = row.get(0)?;
            let values = (1..columns).map(|column| row.get(column));
            loaded.push(values.collect::<Result<Vec<Value>, _>>()?);
        }
        Ok(loaded)
    }
}

fn insert(
    connection: &mut Connection,
    tables: &[Table],
    loaded: &[Vec<Vec<Value>>],
) -> anyhow::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (table, rows) in tables.iter().zip(loaded) {
        let mut statement = transaction.prepare_cached(&table.insert)?;
        for row in rows {
            statement.execute(params_from_iter(row))?;
        }
    }
    Ok(transaction.commit()?)
}
