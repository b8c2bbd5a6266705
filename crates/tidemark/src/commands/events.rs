//! `events tail`: the journal as it is read by consumers.

use super::Outcome;
use crate::client::Services;
use crate::lines::Lines;
use crate::output::{Column, Format, Row, Rows};
use crate::reading::Reading;
use clap::{Args, Subcommand};
use journal::{Envelope, JournalId};
use serde_json::{Value, json};

/// Entries asked for at once.
const PAGE: u64 = 1_000;
/// How long the server waits for an entry before it answers with none.
const WAIT_MS: u64 = 20_000;

/// `tidemark events`
#[derive(Subcommand, Debug)]
pub enum EventsCommand {
    /// Print the last entries, and with --follow every new one
    Tail(TailArgs),
}

/// `tidemark events tail`
#[derive(Args, Debug)]
pub struct TailArgs {
    /// Print from this journal id on; without it the last ten
    #[arg(long, value_name = "JOURNAL ID")]
    pub from: Option<u64>,
    /// Go on with new entries as they come
    #[arg(long, short)]
    pub follow: bool,
    /// How to print, and where the services are.
    #[command(flatten)]
    pub reading: Reading,
}

impl EventsCommand {
    /// What it takes.
    #[must_use]
    pub fn args(&self) -> &TailArgs {
        let Self::Tail(args) = self;
        args
    }
}

pub(crate) fn run(services: &Services, command: &EventsCommand) -> anyhow::Result<Outcome> {
    let args = command.args();
    let start = page(services, 0, 0, 0)?;
    let mut after = match args.from {
        Some(from) => from.saturating_sub(1),
        // What retention has removed is not among the last ten.
        None => start.head.saturating_sub(10).max(start.trimmed),
    };
    let columns = vec![
        Column::number("journalId"),
        Column::time("observedAt").titled("TIME"),
        Column::text("type"),
        Column::text("path"),
        Column::bytes("sizeDelta").titled("SIZE CHANGE"),
        Column::number("nodeId"),
    ];
    let mut out = Rows::stdout(args.reading.output, columns);
    loop {
        let wait_ms = if args.follow { WAIT_MS } else { 0 };
        let mut page = page(services, after, PAGE, wait_ms)?;
        let mut count = 0;
        while let Some(line) = page.lines.next_line()? {
            let envelope: Envelope<'_> = serde_json::from_slice(line)
                .map_err(|error| services.filestore.garbled(error.to_string()))?;
            after = envelope.journal_id.get();
            count += 1;
            out.push(&row(&envelope, args.reading.output))?;
        }
        if args.follow {
            out.flush()?;
        } else if count == 0 || after >= page.head {
            break;
        }
    }
    out.finish()?;
    Ok(Outcome::Good)
}

struct Page {
    head: u64,
    trimmed: u64,
    lines: Lines,
}

fn page(services: &Services, after: u64, limit: u64, wait_ms: u64) -> anyhow::Result<Page> {
    let filestore = &services.filestore;
    let query = [("after", after), ("limit", limit), ("waitMs", wait_ms)];
    let response = filestore.send(filestore.get("/v1/journal").query(&query))?;
    let head: JournalId = filestore.header(response.headers(), "tidemark-head")?;
    let trimmed: JournalId = filestore.header(response.headers(), "tidemark-trimmed")?;
    Ok(Page {
        head: head.get(),
        trimmed: trimmed.get(),
        lines: Lines::new(filestore, response),
    })
}

/// JSON has the whole envelope; the columns are its gist.
fn row(envelope: &Envelope<'_>, format: Format) -> Row {
    if matches!(format, Format::Json | Format::Ndjson)
        && let Ok(Value::Object(whole)) = serde_json::to_value(envelope)
    {
        return whole;
    }
    let data: Value = serde_json::from_str(envelope.event.data.get()).unwrap_or_default();
    let times = ["observedAt", "detectedAt", "updatedAt"];
    let mut row = Row::new();
    row.insert("journalId".to_owned(), json!(envelope.journal_id));
    let time = times.iter().find_map(|key| data.get(key)).cloned();
    row.insert("observedAt".to_owned(), time.unwrap_or_default());
    row.insert("type".to_owned(), json!(envelope.event.event_type));
    row.insert("nodeId".to_owned(), json!(envelope.node_id));
    row.insert("sizeDelta".to_owned(), json!(envelope.size_delta));
    row.insert(
        "path".to_owned(),
        data.get("path").cloned().unwrap_or_default(),
    );
    row
}
