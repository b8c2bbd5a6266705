//! What goes to stdout and what goes to stderr.
//!
//! Data goes to stdout as rows, in the format that `--output` names; everything else goes to
//! stderr. A row is a JSON object: `json` and `ndjson` print it whole, `csv` and `table` print
//! the columns. Rows are written as they come, so a million of them need no memory. A table is laid out
//! a thousand rows at a time, and is never cut: lines may be longer than the terminal is wide.

mod column;
mod human;

pub(crate) use column::Column;
pub(crate) use human::{bytes, escape};

use clap::ValueEnum;
use column::plain;
use comfy_table::presets::NOTHING;
use comfy_table::{Cell, Table};
use serde_json::{Map, Value};
use std::io::{self, BufWriter, Write};

/// A row: a JSON object.
pub(crate) type Row = Map<String, Value>;

/// Rows of a table that are laid out together.
const TABLE_ROWS: usize = 1_000;

/// How data is printed.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Aligned columns for people
    Table,
    /// One JSON array
    Json,
    /// One JSON object a line
    Ndjson,
    /// Comma-separated values with a header
    Csv,
}

/// Which columns a table and CSV have.
#[derive(Debug)]
enum Columns {
    Known(Vec<Column>),
    /// Those of the first row, these first.
    OfFirstRow(&'static [&'static str]),
}

/// Writes rows in one format.
pub(crate) struct Rows<W: Write> {
    format: Format,
    columns: Columns,
    out: W,
    count: u64,
    table: Vec<Vec<Cell>>,
    has_header: bool,
}

/// The columns that this format shows.
fn columns_of(format: Format, mut columns: Vec<Column>) -> Vec<Column> {
    columns.retain(|column| match format {
        Format::Table => column.is_for_people(),
        Format::Csv => column.is_for_programs(),
        Format::Json | Format::Ndjson => true,
    });
    columns
}

/// Standard output, locked and buffered.
pub(crate) fn stdout() -> BufWriter<io::StdoutLock<'static>> {
    BufWriter::new(io::stdout().lock())
}

/// Prints a line for the person at the terminal, on stderr. A failure to print is ignored.
pub(crate) fn say(line: impl std::fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

impl Rows<BufWriter<io::StdoutLock<'static>>> {
    /// Rows on stdout with these columns.
    pub(crate) fn stdout(format: Format, columns: Vec<Column>) -> Self {
        Self::new(format, Columns::Known(columns), stdout())
    }

    /// Rows on stdout with the columns of the first row, `first` in front.
    pub(crate) fn stdout_of(format: Format, first: &'static [&'static str]) -> Self {
        Self::new(format, Columns::OfFirstRow(first), stdout())
    }
}

impl<W: Write> Rows<W> {
    fn new(format: Format, columns: Columns, out: W) -> Self {
        let columns = match columns {
            Columns::Known(columns) => Columns::Known(columns_of(format, columns)),
            unknown => unknown,
        };
        Self {
            format,
            columns,
            out,
            count: 0,
            table: Vec::new(),
            has_header: false,
        }
    }

    /// Writes a row.
    pub(crate) fn push(&mut self, row: &Row) -> io::Result<()> {
        self.know_columns(row);
        match self.format {
            Format::Json => {
                self.out
                    .write_all(if self.count == 0 { b"[\n" } else { b",\n" })?;
                serde_json::to_writer(&mut self.out, row)?;
            }
            Format::Ndjson => {
                serde_json::to_writer(&mut self.out, row)?;
                self.out.write_all(b"\n")?;
            }
            Format::Csv => {
                self.csv_header()?;
                let fields: Vec<_> = self
                    .known()
                    .iter()
                    .map(|column| plain(row.get(column.key())))
                    .collect();
                self.csv_record(&fields)?;
            }
            Format::Table => {
                let cells = self
                    .known()
                    .iter()
                    .map(|column| column.cell(row.get(column.key())));
                let cells = cells.collect();
                self.table.push(cells);
                if self.table.len() >= TABLE_ROWS {
                    self.print_table()?;
                }
            }
        }
        self.count += 1;
        Ok(())
    }

    /// Writes what is still held back, so that a reader sees every row so far.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if !self.table.is_empty() {
            self.print_table()?;
        }
        self.out.flush()
    }

    /// Ends the output.
    pub(crate) fn finish(mut self) -> io::Result<u64> {
        match self.format {
            Format::Json if self.count == 0 => self.out.write_all(b"[]\n")?,
            Format::Json => self.out.write_all(b"\n]\n")?,
            Format::Csv => self.csv_header()?,
            Format::Table if self.count == 0 => self.print_table()?,
            Format::Table | Format::Ndjson => {}
        }
        self.flush()?;
        Ok(self.count)
    }

    fn know_columns(&mut self, row: &Row) {
        if let Columns::OfFirstRow(first) = self.columns {
            let named = first.iter().copied().filter(|key| row.contains_key(*key));
            let others = row
                .keys()
                .map(String::as_str)
                .filter(|key| !first.contains(key));
            let keys = named.chain(others);
            self.columns =
                Columns::Known(keys.map(|key| Column::guess(key, row.get(key))).collect());
        }
    }

    fn known(&self) -> &[Column] {
        match &self.columns {
            Columns::Known(columns) => columns,
            Columns::OfFirstRow(_) => &[],
        }
    }

    fn csv_header(&mut self) -> io::Result<()> {
        if self.count > 0 || self.known().is_empty() {
            return Ok(());
        }
        let keys: Vec<_> = self
            .known()
            .iter()
            .map(|column| column.key().to_owned())
            .collect();
        self.csv_record(&keys)
    }

    fn csv_record(&mut self, fields: &[String]) -> io::Result<()> {
        let mut writer = csv::WriterBuilder::new()
            .buffer_capacity(256)
            .from_writer(&mut self.out);
        writer.write_record(fields).map_err(io::Error::from)?;
        writer.flush()
    }

    fn print_table(&mut self) -> io::Result<()> {
        let rows = std::mem::take(&mut self.table);
        if self.known().is_empty() {
            return Ok(());
        }
        let mut table = Table::new();
        table.load_style(NOTHING);
        if !std::mem::replace(&mut self.has_header, true) {
            table.set_header(self.known().iter().map(Column::heading));
        }
        table.add_rows(rows);
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        for line in table.lines() {
            writeln!(self.out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn printed(format: Format, columns: Columns, rows: &[Value]) -> String {
        let mut out = Vec::new();
        let mut writer = Rows::new(format, columns, &mut out);
        for row in rows {
            writer.push(row.as_object().unwrap()).unwrap();
        }
        writer.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    fn columns() -> Columns {
        Columns::Known(vec![
            Column::text("path"),
            Column::bytes("netBytes"),
            Column::number("n"),
        ])
    }

    fn rows() -> Vec<Value> {
        vec![
            json!({"path": "a\nb\u{1b}[31m", "netBytes": -1536, "n": 7, "extra": true}),
            json!({"path": "x,\"y\"", "netBytes": null, "n": 12345}),
        ]
    }

    #[test]
    fn a_table_aligns_numbers_right_shows_bytes_for_people_and_escapes_names() {
        let expected = "PATH            NET BYTES      N\n\
                        a\\nb\\u{1b}[31m      -1.5K      7\n\
                        x,\"y\"                   –  12345\n";
        assert_eq!(printed(Format::Table, columns(), &rows()), expected);
    }

    #[test]
    fn json_is_one_array_and_ndjson_one_object_a_line_both_with_every_field() {
        let json: Value = serde_json::from_str(&printed(Format::Json, columns(), &rows())).unwrap();
        assert_eq!(json, Value::Array(rows()));
        let text = printed(Format::Ndjson, columns(), &rows());
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines, rows());
    }

    #[test]
    fn csv_has_a_header_exact_numbers_and_quotes_what_needs_quotes() {
        let expected = "path,netBytes,n\n\"a\nb\u{1b}[31m\",-1536,7\n\"x,\"\"y\"\"\",,12345\n";
        assert_eq!(printed(Format::Csv, columns(), &rows()), expected);
    }

    #[test]
    fn nothing_is_still_a_header_an_empty_array_or_no_line() {
        assert_eq!(
            printed(Format::Table, columns(), &[]),
            "PATH  NET BYTES  N\n"
        );
        assert_eq!(printed(Format::Json, columns(), &[]), "[]\n");
        assert_eq!(printed(Format::Ndjson, columns(), &[]), "");
        assert_eq!(printed(Format::Csv, columns(), &[]), "path,netBytes,n\n");
    }

    #[test]
    fn unknown_rows_bring_their_columns_with_the_named_ones_first() {
        let rows = [json!({"a": 1, "prefix": "x", "sizeBytes": 2048, "bytesAdded": 0})];
        let text = printed(Format::Table, Columns::OfFirstRow(&["prefix"]), &rows);
        assert_eq!(
            text,
            "PREFIX  A  BYTES ADDED  SIZE BYTES\nx       1            0        2.0K\n"
        );
    }

    #[test]
    fn a_table_that_is_shown_as_it_grows_has_one_header() {
        let mut out = Vec::new();
        let mut writer = Rows::new(Format::Table, columns(), &mut out);
        for row in &rows() {
            writer.push(row.as_object().unwrap()).unwrap();
            writer.flush().unwrap();
        }
        writer.finish().unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            (text.lines().count(), text.matches("PATH").count()),
            (3, 1),
            "{text}"
        );
    }

    #[test]
    fn a_long_table_has_one_header() {
        let rows: Vec<_> = (0..2_500)
            .map(|n| json!({"path": "p", "netBytes": 0, "n": n}))
            .collect();
        let text = printed(Format::Table, columns(), &rows);
        assert_eq!(text.lines().count(), 2_501);
        assert_eq!(text.matches("PATH").count(), 1);
    }
}
