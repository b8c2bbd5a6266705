//! Results as JSON, NDJSON, CSV and Arrow streams.
//!
//! Every value has a text form ([`cell`]), which JSON quotes where it is no JSON itself and CSV
//! writes as it is. Times are RFC 3339 in UTC. Integers beyond ±2⁵³ and decimals of more than 15
//! digits are JSON strings, since a reader that keeps numbers as doubles would change them. Blobs
//! are hex.

mod cell;

use crate::error::{Error, Result};
use crate::statement::ResultSet;
use cell::{Shape, cell, write_json_text};
use duckdb::arrow::record_batch::RecordBatch;

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

/// RFC 4180, with a header line. NULL is an empty field, an empty text is `""`.
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
            if cell(array.as_ref(), row, column.form, &mut text) != Shape::Null {
                out.push_str(&csv_field(&text));
            }
        }
        out.push_str("\r\n");
    });
    out
}

/// An Arrow IPC stream.
pub(crate) fn arrow(result: &ResultSet) -> Result<Vec<u8>> {
    let failed = |error: duckdb::arrow::error::ArrowError| Error::from(error);
    let mut out = Vec::new();
    let mut writer =
        arrow_ipc::writer::StreamWriter::try_new(&mut out, &result.schema).map_err(failed)?;
    for batch in &result.batches {
        writer.write(batch).map_err(failed)?;
    }
    writer.finish().map_err(failed)?;
    drop(writer);
    Ok(out)
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
        match cell(array.as_ref(), row, column.form, &mut text) {
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
