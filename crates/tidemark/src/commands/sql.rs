//! `sql`: a statement to the timestore, and its rows.
//!
//! CSV and NDJSON are passed on record by record, so any number of rows needs no memory here.

use super::Outcome;
use crate::client::{Service, Services};
use crate::lines::Lines;
use crate::output::{Column, Format, Row, Rows, escape, say, stdout};
use crate::reading::Reading;
use anyhow::{Context as _, bail};
use clap::Args;
use reqwest::blocking::Response;
use serde_json::{Value, json};
use std::io::{IsTerminal as _, Read as _, Write as _};

/// `tidemark sql`
#[derive(Args, Debug)]
pub struct SqlArgs {
    /// The statement; `-` (or nothing) reads it from stdin
    #[arg(value_name = "QUERY", default_value = "-")]
    pub query: String,
    /// How to print, and where the services are.
    #[command(flatten)]
    pub reading: Reading,
}

pub(crate) fn run(services: &Services, args: &SqlArgs) -> anyhow::Result<Outcome> {
    let sql = match args.query.as_str() {
        "-" => from_stdin()?,
        query => query.to_owned(),
    };
    if sql.trim().is_empty() {
        bail!(
            "the statement is empty; try `tidemark sql 'SELECT count(*) FROM filestore_activity'`"
        );
    }
    let timestore = &services.timestore;
    let request = timestore
        .request(reqwest::Method::POST, "/sql/read")
        .json(&json!({ "sql": sql }));
    let accept = match args.reading.output {
        Format::Csv => "text/csv",
        Format::Ndjson => "application/x-ndjson",
        Format::Json | Format::Table => {
            return print(&timestore.json(request)?, args.reading.output);
        }
    };
    let response = timestore.send(request.header("Accept", accept))?;
    let is_cut = response.headers().contains_key("tidemark-truncated");
    match args.reading.output {
        Format::Csv => pass_csv(timestore, response)?,
        _ => pass_lines(timestore, response)?,
    }
    if is_cut {
        say("these are not all rows; narrow the statement, or raise TIMESTORE_SQL_MAX_ROWS");
    }
    Ok(Outcome::Good)
}

fn pass_lines(timestore: &Service, response: Response) -> anyhow::Result<()> {
    let mut out = stdout();
    let mut lines = Lines::new(timestore, response);
    while let Some(line) = lines.next_line()? {
        out.write_all(line)?;
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}

/// Record by record, so that lines end as they do in the CSV of the other commands.
fn pass_csv(timestore: &Service, response: Response) -> anyhow::Result<()> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(response);
    let mut writer = csv::Writer::from_writer(stdout());
    let mut record = csv::ByteRecord::new();
    while reader
        .read_byte_record(&mut record)
        .map_err(|error| timestore.garbled(format!("its CSV cannot be read: {error}")))?
    {
        writer
            .write_byte_record(&record)
            .map_err(std::io::Error::from)?;
    }
    Ok(writer.flush()?)
}

fn from_stdin() -> anyhow::Result<String> {
    let mut stdin = std::io::stdin();
    if stdin.is_terminal() {
        say("reading the statement from the terminal; end it with Ctrl-D");
    }
    let mut sql = String::new();
    stdin
        .read_to_string(&mut sql)
        .context("cannot read the statement from stdin")?;
    Ok(sql)
}

fn print(answer: &Value, format: Format) -> anyhow::Result<Outcome> {
    let columns: Vec<String> = list(answer, "columns")
        .map(|column| column.get("name").unwrap_or(column))
        .map(|name| name.as_str().unwrap_or_default().to_owned())
        .collect();
    let rows: Vec<&Row> = list(answer, "rows").filter_map(Value::as_object).collect();
    let kinds = columns.iter().map(|name| {
        let is_number = rows
            .iter()
            .filter_map(|row| row.get(name))
            .find(|value| !value.is_null());
        match is_number {
            Some(Value::Number(_)) => Column::number(name),
            _ => Column::text(name),
        }
    });
    let mut out = Rows::stdout(format, kinds.collect());
    for row in rows.iter().copied() {
        out.push(row)?;
    }
    out.finish()?;
    for warning in list(answer, "warnings") {
        say(format_args!(
            "warning: {}",
            escape(warning.as_str().unwrap_or_default())
        ));
    }
    if answer.get("truncated") == Some(&Value::Bool(true)) {
        say("narrow the statement, or raise TIMESTORE_SQL_MAX_ROWS");
    }
    Ok(Outcome::Good)
}

fn list<'a>(answer: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    answer
        .get(key)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}
