//! Runs one read and takes at most so many rows and bytes of its result.
//!
//! Results are streamed from DuckDB and cut where a bound is reached, so a statement that would
//! give a billion rows costs no more than the rows that are taken (and its own sorting).

use crate::error::Result;
use crate::kind::{self, Form};
use duckdb::arrow::array::Array;
use duckdb::arrow::datatypes::DataType;
use duckdb::arrow::record_batch::RecordBatch;
use duckdb::{Connection, Params};
use std::collections::HashSet;

/// How much of a result is taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) rows: usize,
    pub(crate) bytes: usize,
}

/// A column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    /// Unique within the result: a name that comes again gets a number.
    pub(crate) name: String,
    /// As SQL spells it.
    pub(crate) kind: String,
    /// How the Arrow array, which DuckDB made, is to be read.
    pub(crate) form: Form,
    /// What it is cast to, so that Arrow carries it.
    cast: Option<String>,
}

/// What was taken of a result.
#[derive(Debug)]
pub(crate) struct ResultSet {
    pub(crate) columns: Vec<Column>,
    pub(crate) batches: Vec<RecordBatch>,
    pub(crate) rows: usize,
    /// Why it is not the whole result.
    pub(crate) cut: Option<String>,
}

/// The columns that a statement gives.
pub(crate) fn describe(
    connection: &Connection,
    sql: &str,
    params: impl Params,
) -> duckdb::Result<Vec<Column>> {
    let mut statement = connection.prepare(&format!("DESCRIBE {sql}"))?;
    let mut names = HashSet::new();
    let columns = statement.query_map(params, |row| {
        let (name, kind): (String, String) = (row.get(0)?, row.get(1)?);
        let (form, cast) = kind::form(&kind);
        Ok((name, kind, form, cast))
    })?;
    columns
        .map(|column| {
            let (name, kind, form, cast) = column?;
            Ok(Column {
                name: unique(&name, &mut names),
                kind,
                form,
                cast,
            })
        })
        .collect()
}

/// The statement that gives these columns of `sql` so that Arrow carries them; none, if it does
/// so already.
pub(crate) fn as_text(sql: &str, columns: &[Column]) -> Option<String> {
    let casts: Vec<_> = columns.iter().map(|column| column.cast.clone()).collect();
    let is_needed = casts.iter().any(Option::is_some);
    is_needed.then(|| kind::cast_around(sql, &casts))
}

/// Runs `sql`, which is one statement with these columns. It is prepared and executed on
/// `connection` as it stands.
pub(crate) fn run(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    columns: Vec<Column>,
    limits: Limits,
) -> duckdb::Result<ResultSet> {
    let mut statement = connection.prepare(sql)?;
    // The iterator is dropped at once, because it panics where `step` returns an error.
    drop(statement.stream_arrow(params)?);
    let mut result = ResultSet {
        columns,
        batches: Vec::new(),
        rows: 0,
        cut: None,
    };
    let mut bytes = 0;
    while let Some(array) = statement.step()? {
        let batch = RecordBatch::from(&array);
        let size = array.get_array_memory_size().max(1);
        let room = (limits.bytes - bytes) / size.div_ceil(batch.num_rows().max(1));
        let left = limits.rows - result.rows;
        let taken = batch.num_rows().min(left).min(room);
        bytes += size.min(limits.bytes - bytes);
        result.rows += taken;
        result.batches.push(batch.slice(0, taken));
        if batch.num_rows() > left {
            result.cut = Some(format!("only the first {} rows are given", limits.rows));
            break;
        }
        if taken < batch.num_rows() {
            result.cut = Some(format!(
                "only the first {} rows are given: the result is larger than {} MiB",
                result.rows,
                limits.bytes >> 20
            ));
            break;
        }
    }
    if result.batches.is_empty() {
        // An empty result has columns, too.
        result
            .batches
            .push(RecordBatch::new_empty(statement.schema()));
    }
    Ok(result)
}

fn unique(name: &str, taken: &mut HashSet<String>) -> String {
    let mut candidate = name.to_owned();
    let mut number = 1;
    while !taken.insert(candidate.clone()) {
        candidate = format!("{name}_{number}");
        number += 1;
    }
    candidate
}

impl ResultSet {
    /// JSON then shows integers of 64 bits as numbers, beyond ±2⁵³ too: for answers whose columns are
    /// described as integers.
    pub(crate) fn with_exact_integers(mut self) -> Self {
        let schema = self.batches.first().map(RecordBatch::schema);
        let fields = schema.iter().flat_map(|schema| schema.fields());
        for (column, field) in self.columns.iter_mut().zip(fields) {
            if matches!(
                field.data_type(),
                DataType::Int64 | DataType::Decimal128(38, 0)
            ) {
                column.form = Form::Exact;
            }
        }
        self
    }
}

/// As [`run`], for this crate's own statements, whose columns Arrow carries: an error is this crate's
/// defect or the store's.
pub(crate) fn run_own(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    limits: Limits,
) -> Result<ResultSet> {
    let mut result = run(connection, sql, params, Vec::new(), limits)?;
    let schema = result.batches.first().map(RecordBatch::schema);
    let fields = schema.iter().flat_map(|schema| schema.fields());
    result.columns = fields
        .map(|field| Column {
            name: field.name().clone(),
            kind: String::new(),
            form: Form::Arrow,
            cast: None,
        })
        .collect();
    Ok(result)
}
