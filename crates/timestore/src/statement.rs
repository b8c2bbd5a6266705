//! Runs one read and takes at most so many rows and bytes of its result.
//!
//! Results are streamed from DuckDB and cut where a bound is reached, so a statement that would
//! give a billion rows costs no more than the rows that are taken (and its own sorting).

use crate::error::Result;
use duckdb::arrow::array::Array;
use duckdb::arrow::datatypes::SchemaRef;
use duckdb::arrow::record_batch::RecordBatch;
use duckdb::core::{LogicalTypeHandle, LogicalTypeId};
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
}

/// Types whose Arrow array does not say what they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// The array says all.
    AsArrow,
    /// The bits of a `UHUGEINT`, in an array of signed integers.
    UnsignedHuge,
    /// DuckDB's layout of a bit string: the number of padding bits, then the bits.
    Bits,
}

/// What was taken of a result.
#[derive(Debug)]
pub(crate) struct ResultSet {
    pub(crate) schema: SchemaRef,
    pub(crate) columns: Vec<Column>,
    pub(crate) batches: Vec<RecordBatch>,
    pub(crate) rows: usize,
    /// Why it is not the whole result.
    pub(crate) cut: Option<String>,
}

/// Runs `sql`, which is one statement. It is prepared and executed on `connection` as it stands.
pub(crate) fn run(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    limits: Limits,
) -> duckdb::Result<ResultSet> {
    let mut statement = connection.prepare(sql)?;
    // The iterator is dropped at once, because it panics where `step` returns an error.
    drop(statement.stream_arrow(params)?);
    let schema = statement.schema();
    let columns = columns(&statement, &schema);
    let mut result = ResultSet {
        schema,
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
    Ok(result)
}

fn columns(statement: &duckdb::Statement<'_>, schema: &SchemaRef) -> Vec<Column> {
    let mut names = HashSet::new();
    let column = |(index, field): (usize, &std::sync::Arc<duckdb::arrow::datatypes::Field>)| {
        let kind = statement.column_logical_type(index);
        let form = match kind.try_id() {
            Ok(LogicalTypeId::UHugeint) => Form::UnsignedHuge,
            Ok(LogicalTypeId::Bit) => Form::Bits,
            _ => Form::AsArrow,
        };
        Column {
            name: unique(field.name(), &mut names),
            kind: type_name(&kind),
            form,
        }
    };
    schema.fields().iter().enumerate().map(column).collect()
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

/// The type as SQL spells it.
fn type_name(kind: &LogicalTypeHandle) -> String {
    let Ok(id) = kind.try_id() else {
        return "UNKNOWN".to_owned();
    };
    let members = |open: &str| {
        let names: Vec<String> = (0..kind.num_children())
            .map(|at| {
                let name = crate::schema::quote(&kind.child_name(at));
                format!("{name} {}", type_name(&kind.child(at)))
            })
            .collect();
        format!("{open}({})", names.join(", "))
    };
    match id {
        LogicalTypeId::Decimal => {
            format!("DECIMAL({},{})", kind.decimal_width(), kind.decimal_scale())
        }
        LogicalTypeId::List | LogicalTypeId::Array => format!("{}[]", type_name(&kind.child(0))),
        LogicalTypeId::Map => {
            format!(
                "MAP({}, {})",
                type_name(&kind.child(0)),
                type_name(&kind.child(1))
            )
        }
        LogicalTypeId::Struct => members("STRUCT"),
        LogicalTypeId::Union => members("UNION"),
        LogicalTypeId::TimestampTZ => "TIMESTAMP WITH TIME ZONE".to_owned(),
        LogicalTypeId::TimeTZ => "TIME WITH TIME ZONE".to_owned(),
        LogicalTypeId::TimestampS => "TIMESTAMP_S".to_owned(),
        LogicalTypeId::TimestampMs => "TIMESTAMP_MS".to_owned(),
        LogicalTypeId::TimestampNs => "TIMESTAMP_NS".to_owned(),
        other => format!("{other:?}").to_uppercase(),
    }
}

/// As [`run`], for this crate's own statements: an error is this crate's defect or the store's.
pub(crate) fn run_own(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    limits: Limits,
) -> Result<ResultSet> {
    Ok(run(connection, sql, params, limits)?)
}
