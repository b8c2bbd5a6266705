//! `rebuild` and `replay`: make a book anew, and wait for it.

use super::dead_letters::Book;
use super::status::health;
use super::{Outcome, text};
use crate::client::{Service, Services};
use crate::output::{Column, Row, Rows, say};
use crate::reading::Reading;
use anyhow::Context as _;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// How often the book is asked how far it is.
const LOOK: Duration = Duration::from_millis(200);

/// `tidemark rebuild`
#[derive(Args, Debug)]
pub struct RebuildArgs {
    /// The book
    #[arg(value_enum)]
    pub book: Book,
    /// Rebuild even if entries are lost: those that the journal has trimmed and nothing else holds
    #[arg(long)]
    pub accept_loss: bool,
    /// Do not wait for its end
    #[arg(long)]
    pub no_wait: bool,
    /// How to print, and where the services are.
    #[command(flatten)]
    pub reading: Reading,
}

/// `tidemark replay`
#[derive(Args, Debug)]
pub struct ReplayArgs {
    /// The book
    #[arg(value_enum)]
    pub book: Book,
    /// The journal id to start after; what the book has up to and with this entry stays
    #[arg(long, value_name = "JOURNAL_ID")]
    pub from: u64,
    /// Do not wait for its end
    #[arg(long)]
    pub no_wait: bool,
    /// How to print, and where the services are.
    #[command(flatten)]
    pub reading: Reading,
}

pub(crate) fn rebuild(services: &Services, args: &RebuildArgs) -> anyhow::Result<Outcome> {
    let body = json!({"acceptLoss": args.accept_loss});
    let path = "/filestore/rebuild";
    run(
        services,
        args.book,
        path,
        &body,
        args.no_wait,
        &args.reading,
    )
}

pub(crate) fn replay(services: &Services, args: &ReplayArgs) -> anyhow::Result<Outcome> {
    let (body, path) = (json!({"from": args.from}), "/filestore/replay");
    run(
        services,
        args.book,
        path,
        &body,
        args.no_wait,
        &args.reading,
    )
}

fn run(
    services: &Services,
    book: Book,
    path: &str,
    body: &Value,
    no_wait: bool,
    reading: &Reading,
) -> anyhow::Result<Outcome> {
    let service = match book {
        Book::Metastore => &services.metastore,
        Book::Timestore => &services.timestore,
    };
    let begun = service.json(service.request(Method::POST, path).json(body))?;
    let mut status = object(begun);
    if !no_wait {
        let started_at = text(&status, "startedAt").to_owned();
        status = wait(service, &started_at)?;
    }
    let is_bad = matches!(text(&status, "state"), "failed" | "cancelled");
    let error = text(&status, "lastError").to_owned();
    if text(&status, "state") == "done" {
        let digest = object(service.json(service.get("/filestore/digest"))?);
        let content = digest.get("content").cloned().unwrap_or_default();
        status.insert("content".to_owned(), content);
    }
    status.insert("book".to_owned(), json!(service.name));
    let columns = vec![
        Column::text("book"),
        Column::text("kind"),
        Column::text("state"),
        Column::text("base"),
        Column::number("after"),
        Column::number("journalId"),
        Column::number("entries"),
        Column::number("parked"),
        Column::text("content"),
    ];
    let mut out = Rows::stdout(reading.output, columns);
    out.push(&status)?;
    out.finish()?;
    if is_bad {
        say(format_args!("the book is as it was: {error}"));
        return Ok(Outcome::Bad);
    }
    Ok(Outcome::Good)
}

/// Follows the rebuild that began at this time to its end.
fn wait(service: &Service, started_at: &str) -> anyhow::Result<Row> {
    // Ctrl-C ends this command only; the rebuild goes on.
    let (_hold, never) = mpsc::channel::<()>();
    let bar = bar();
    loop {
        let health = health(service)
            .context("if the service still runs, the rebuild goes on; if it was stopped, the book is as it was: begin the rebuild again")?;
        let status = object(health.get("rebuild").cloned().unwrap_or_default());
        anyhow::ensure!(
            text(&status, "startedAt") == started_at,
            "{} was started again meanwhile: the book is as it was before the rebuild; begin it \
             again",
            service.name
        );
        if text(&status, "state") != "running" {
            bar.finish_and_clear();
            return Ok(status);
        }
        let number = |key: &str| status.get(key).and_then(Value::as_u64).unwrap_or_default();
        bar.set_length(number("head"));
        bar.set_position(number("journalId"));
        bar.set_message(text(&status, "lastError").to_owned());
        if let Err(RecvTimeoutError::Disconnected) = never.recv_timeout(LOOK) {
            anyhow::bail!("the wait was interrupted");
        }
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    let template = "{bar:30} entry {human_pos} of {human_len} [{elapsed}] {msg}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

fn object(value: Value) -> Row {
    match value {
        Value::Object(row) => row,
        _ => Row::new(),
    }
}
