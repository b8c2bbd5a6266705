//! A bare Arrow append into DuckDB, of the rows that the timestore made of the same journal, each
//! batch committed with a checkpoint: a row that is deleted and inserted.

use super::BATCH;
use crate::books;
use crate::outcome::Outcome;
use crate::watch::{Stopwatch, Watched};
use anyhow::Context as _;
use duckdb::arrow::compute::concat_batches;
use duckdb::arrow::record_batch::RecordBatch;
use duckdb::{AccessMode, Config, Connection};
use std::path::Path;
use timestore::Timestore;

/// Batches in memory at a time.
const CHUNK: i64 = 10;

pub(crate) fn measure(from: &Path, data: &Path) -> anyhow::Result<Outcome> {
    let options = books::timestore_options(data);
    let (table, memory) = (options.table_name.clone(), options.memory_limit_bytes);
    let (threads, log_bytes) = (options.threads, options.log_max_bytes);
    let database = options.database_path.clone();
    // The timestore makes its tables.
    Timestore::open(options)?.close();
    let settings = || {
        Config::default()
            .enable_autoload_extension(false)?
            .max_memory(&format!("{memory}B"))?
            .threads(i64::from(threads))
    };
    let source = Connection::open_with_flags(
        books::timestore_options(from).database_path,
        settings()?.access_mode(AccessMode::ReadOnly)?,
    )?;
    let sink = Connection::open_with_flags(database, settings()?)?;
    sink.execute_batch(&format!("SET wal_autocheckpoint = '{log_bytes}B'"))?;
    let head: i64 =
        source.query_row(&format!("SELECT max(journal_id) FROM {table}"), [], |row| {
            row.get(0)
        })?;
    let size = i64::try_from(BATCH)?;
    let (mut after, mut watched, mut entries) = (0_i64, Watched::default(), 0_u64);
    while after < head {
        let mut batches = Vec::new();
        for _ in 0..CHUNK {
            batches.extend(load(&source, &table, after, after + size)?);
            after += size;
        }
        let watch = Stopwatch::start();
        for batch in batches {
            entries += u64::try_from(batch.num_rows())?;
            append(&sink, &table, batch, i64::try_from(entries)?)?;
        }
        watched += watch.stop();
    }
    Ok(Outcome::of(entries, watched))
}

/// One batch of the rows with ids after `after`, up to and with `last`.
fn load(
    connection: &Connection,
    table: &str,
    after: i64,
    last: i64,
) -> anyhow::Result<Option<RecordBatch>> {
    let sql = format!("FROM {table} WHERE journal_id > ? AND journal_id <= ?");
    let mut statement = connection.prepare(&sql)?;
    let parts: Vec<RecordBatch> = statement.query_arrow([after, last])?.collect();
    let Some(first) = parts.first() else {
        return Ok(None);
    };
    let batch = concat_batches(&first.schema(), &parts).context("batches cannot be joined")?;
    Ok(Some(batch))
}

fn append(
    connection: &Connection,
    table: &str,
    batch: RecordBatch,
    checkpoint: i64,
) -> anyhow::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    let mut appender = connection.appender(table)?;
    appender.append_record_batch(batch)?;
    appender.flush()?;
    drop(appender);
    connection
        .prepare_cached("DELETE FROM tidemark.filestore_sync")?
        .execute([])?;
    connection
        .prepare_cached("INSERT INTO tidemark.filestore_sync VALUES ('', ?, '', 0)")?
        .execute([checkpoint])?;
    Ok(transaction.commit()?)
}
