//! Results as JSON, NDJSON, CSV and Arrow streams.
//!
//! Every value has a text form ([`mod@cell`]), which JSON quotes where it is no JSON itself and CSV
//! writes as it is. Times are RFC 3339 in UTC; years beyond 9999 and before 0 have a sign, as in ISO
//! 8601. Integers beyond ±2⁵³ and decimals of more than 15 digits are JSON strings, since a reader
//! that keeps numbers as doubles would change them. Blobs are hex. A value that Arrow has no place
//! for is an error that names its column ([`carried`]).

mod carried;
mod cell;
mod time;

use crate::error::{Error, Result};
use crate::statement::ResultSet;
use cell::{Shape, cell, write_json_text};
use duckdb::arrow::datatypes::Schema;
use duckdb::arrow::record_batch::RecordBatch;
use std::sync::Arc;

/// How a result is written out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    NdJson,
    Csv,
    Arrow,
}

impl Format {
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::NdJson => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Arrow => "application/vnd.apache.arrow.stream",
        }
    }
}

/// The rows as one JSON array of objects.
pub(crate) fn json_rows(result: &ResultSet) -> String {
    let mut out = String::from("[");
    each_row(result, |batch, row| {
        if out.len() > 1 {
            out.push(',');
        }
        write_object(result, batch, row, &mut out);
    });
    out.push(']');
    out
}

/// One JSON object a line.
pub(crate) fn ndjson(result: &ResultSet) -> String {
    let mut out = String::new();
    each_row(result, |batch, row| {
        write_object(result, batch, row, &mut out);
        out.push('\n');
    });
    out
}

/// RFC 4180, with a header line. NULL is an empty field, an empty text is `""`. Where a row would be
/// an empty line, which readers leave out, NULL is `""`, too.
pub(crate) fn csv(result: &ResultSet) -> String {
    let mut out = String::new();
    let names: Vec<_> = result
        .columns
        .iter()
        .map(|column| csv_field(&column.name))
        .collect();
    out.push_str(&names.join(","));
    out.push_str("\r\n");
    let mut text = String::new();
    each_row(result, |batch, row| {
        for (index, (column, array)) in result.columns.iter().zip(batch.columns()).enumerate() {
            if index > 0 {
                out.push(',');
            }
            text.clear();
            let shape = cell(array.as_ref(), row, &column.form, &mut text);
            if shape != Shape::Null || result.columns.len() == 1 {
                out.push_str(&csv_field(&text));
            }
        }
        out.push_str("\r\n");
    });
    out
}

/// The values of the last row in these columns, as text.
pub(crate) fn last_row<'a>(
    result: &ResultSet,
    columns: impl Iterator<Item = &'a str>,
) -> Option<Vec<Option<String>>> {
    let batch = result
        .batches
        .iter()
        .rev()
        .find(|batch| batch.num_rows() > 0)?;
    let value = |name: &str| {
        let at = result
            .columns
            .iter()
            .position(|column| column.name == name)?;
        let (column, array) = (result.columns.get(at)?, batch.columns().get(at)?);
        let mut text = String::new();
        let shape = cell(
            array.as_ref(),
            batch.num_rows() - 1,
            &column.form,
            &mut text,
        );
        Some((shape != Shape::Null).then_some(text))
    };
    columns.map(value).collect()
}

/// An Arrow IPC stream.
pub(crate) fn arrow(result: &ResultSet) -> Result<Vec<u8>> {
    let batches = result
        .batches
        .iter()
        .map(|batch| arrow_batch(result, batch))
        .collect::<Result<Vec<_>>>()?;
    let schema = batches.first().map(RecordBatch::schema);
    let schema = schema.unwrap_or_else(|| Arc::new(Schema::empty()));
    let mut out = Vec::new();
    let mut writer = arrow_ipc::writer::StreamWriter::try_new(&mut out, &schema)?;
    for batch in &batches {
        writer.write(batch)?;
    }
    writer.finish()?;
    drop(writer);
    Ok(out)
}

/// Under the columns' own names, and with the types that Arrow has.
fn arrow_batch(result: &ResultSet, batch: &RecordBatch) -> Result<RecordBatch> {
    let schema = batch.schema();
    let mut fields = Vec::new();
    let mut arrays = Vec::new();
    let columns = result.columns.iter().zip(schema.fields());
    for ((column, field), array) in columns.zip(batch.columns()) {
        let carried = carried::carried(array, &column.form).map_err(|problem| {
            Error::Statement(format!("the column {:?} {problem}", column.name))
        })?;
        let field = field.as_ref().clone().with_name(&column.name);
        fields.push(field.with_data_type(carried.data_type().clone()));
        arrays.push(carried);
    }
    let schema = Schema::new_with_metadata(fields, schema.metadata().clone());
    Ok(RecordBatch::try_new(Arc::new(schema), arrays)?)
}

fn each_row(result: &ResultSet, mut row: impl FnMut(&RecordBatch, usize)) {
    for batch in &result.batches {
        for index in 0..batch.num_rows() {
            row(batch, index);
        }
    }
}

fn write_object(result: &ResultSet, batch: &RecordBatch, row: usize, out: &mut String) {
    let mut text = String::new();
    out.push('{');
    for (index, (column, array)) in result.columns.iter().zip(batch.columns()).enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_json_text(&column.name, out);
        out.push(':');
        text.clear();
        match cell(array.as_ref(), row, &column.form, &mut text) {
            Shape::Null => out.push_str("null"),
            Shape::Json => out.push_str(&text),
            Shape::Text => write_json_text(&text, out),
        }
    }
    out.push('}');
}

fn csv_field(text: &str) -> String {
    let needs_quotes = text.is_empty()
        || text.starts_with(' ')
        || text.ends_with(' ')
        || text.contains([',', '"', '\r', '\n']);
    if needs_quotes {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
