//! How rows come in: Arrow batches for one dataset, in one transaction with everything that must
//! hold together with them. The REST API and the journal's sink both come through here.

use crate::catalogue::{self, Dataset, PARTITION_COLUMN};
use crate::error::Result;
use crate::metric;
use crate::schema::{Field, quote};
use duckdb::arrow::array::{ArrayRef, Int64Array};
use duckdb::arrow::datatypes::{DataType, Field as ArrowField, Schema};
use duckdb::arrow::record_batch::RecordBatch;
use duckdb::{Connection, params};
use journal::Time;
use std::sync::Arc;

/// What is appended.
pub(crate) struct Append<'a> {
    /// Where to; its table is there.
    pub(crate) dataset: &'a Dataset,
    /// Fields to add to the dataset first.
    pub(crate) new_fields: &'a [Field],
    /// With a partition, columns are found by name and those that a batch lacks become NULL;
    /// without one, a batch has all columns of the table in order.
    pub(crate) batches: Vec<RecordBatch>,
    /// The partition that the rows come with. The activity has none.
    pub(crate) partition: Option<&'a NewPartition>,
    /// When.
    pub(crate) now: Time,
}

/// A partition as its writer describes it.
#[derive(Clone, Debug)]
pub(crate) struct NewPartition {
    /// Canonical JSON.
    pub(crate) key: String,
    pub(crate) start: Time,
    pub(crate) end: Time,
}

/// Appends inside the caller's transaction ([`store::transaction`](crate::store::transaction)) and
/// tells the partition's id.
pub(crate) fn append(connection: &Connection, append: Append<'_>) -> Result<Option<i64>> {
    add_fields(connection, append.dataset, append.new_fields)?;
    let rows = append.batches.iter().map(RecordBatch::num_rows).sum();
    let bytes = append
        .batches
        .iter()
        .map(RecordBatch::get_array_memory_size)
        .sum();
    let partition = append
        .partition
        .map(|partition| {
            record(
                connection,
                append.dataset,
                partition,
                [rows, bytes],
                append.now,
            )
        })
        .transpose()?;
    append_batches(connection, &append.dataset.table, append.batches, partition)?;
    metrics::counter!(metric::APPENDED, "source" => "ingest").increment(rows as u64);
    Ok(partition)
}

/// Appends the activity's rows by `append`, which tells how many they are.
pub(crate) fn append_activity(
    connection: &Connection,
    append: impl FnOnce(&Connection) -> Result<usize>,
) -> Result<()> {
    let rows = append(connection)?;
    metrics::counter!(metric::APPENDED, "source" => "journal").increment(rows as u64);
    Ok(())
}

/// Adds columns to a dataset's table, and to the catalogue.
pub(crate) fn add_fields(
    connection: &Connection,
    dataset: &Dataset,
    fields: &[Field],
) -> Result<()> {
    for field in fields {
        connection.execute_batch(&format!(
            "ALTER TABLE {} ADD COLUMN {} {}",
            dataset.quoted_table(),
            quote(&field.name),
            field.kind.sql()
        ))?;
    }
    catalogue::add_fields(connection, dataset, fields)
}

/// Flushed explicitly: an appender that is dropped hides
/// its errors.
fn append_batches(
    connection: &Connection,
    table: &str,
    batches: Vec<RecordBatch>,
    partition: Option<i64>,
) -> Result<()> {
    for batch in batches {
        if batch.num_rows() == 0 {
            continue;
        }
        let Some(partition) = partition else {
            // All of the table's columns, in order: DuckDB has nothing to fill in.
            let mut appender = connection.appender_to_db(table, "main")?;
            appender.append_record_batch(batch)?;
            appender.flush()?;
            continue;
        };
        let batch = with_partition(&batch, partition)?;
        let schema = batch.schema();
        let columns: Vec<&str> = schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        let mut appender = connection.appender_with_columns_to_db(table, "main", &columns)?;
        appender.append_record_batch(batch)?;
        appender.flush()?;
    }
    Ok(())
}

fn with_partition(batch: &RecordBatch, partition: i64) -> Result<RecordBatch> {
    let mut fields = vec![Arc::new(ArrowField::new(
        PARTITION_COLUMN,
        DataType::Int64,
        true,
    ))];
    fields.extend(batch.schema().fields().iter().cloned());
    let ids: ArrayRef = Arc::new(Int64Array::from_value(partition, batch.num_rows()));
    let mut columns = vec![ids];
    columns.extend(batch.columns().iter().cloned());
    Ok(RecordBatch::try_new(
        Arc::new(Schema::new(fields)),
        columns,
    )?)
}

/// Notes that rows came in under a partition key; the same key again widens the partition.
fn record(
    connection: &Connection,
    dataset: &Dataset,
    partition: &NewPartition,
    rows_and_bytes: [usize; 2],
    now: Time,
) -> Result<i64> {
    let [rows, bytes] = rows_and_bytes.map(|count| i64::try_from(count).unwrap_or(i64::MAX));
    let values = params![
        dataset.id,
        partition.key,
        partition.start.as_millis(),
        partition.end.as_millis(),
        rows,
        now.as_millis(),
        bytes
    ];
    let widened = connection
        .prepare_cached(include_str!("sql/widen_partition.sql"))?
        .query_map(values, |row| row.get(0))?
        .next();
    match widened {
        Some(id) => Ok(id?),
        None => Ok(connection
            .prepare_cached(include_str!("sql/insert_partition.sql"))?
            .query_row(values, |row| row.get(0))?),
    }
}
