//! `dead-letters`: the entries that a book could not apply, with the reason of each.

use super::{Outcome, rows_in};
use crate::client::{Service, Services};
use crate::output::{Column, Rows, say};
use crate::reading::Reading;
use clap::{Args, Subcommand, ValueEnum};
use reqwest::Method;
use serde_json::{Value, json};

/// Letters asked for at once.
const PAGE: u64 = 500;

/// `tidemark dead-letters`
#[derive(Subcommand, Debug)]
pub enum DeadLettersCommand {
    /// List the parked entries of both books
    List(ListArgs),
    /// Apply parked entries again, once the cause is gone
    Retry(SettleArgs),
    /// Remove parked entries for good
    Discard(SettleArgs),
}

/// `tidemark dead-letters list`
#[derive(Args, Debug)]
pub struct ListArgs {
    /// How to print, and where the services are.
    #[command(flatten)]
    pub reading: Reading,
}

/// `tidemark dead-letters retry | discard`
#[derive(Args, Debug)]
pub struct SettleArgs {
    /// The book that parked them
    #[arg(value_enum)]
    pub book: Book,
    /// The entries
    #[arg(value_name = "JOURNAL_ID", required = true)]
    pub journal_ids: Vec<u64>,
    /// How to print, and where the services are.
    #[command(flatten)]
    pub reading: Reading,
}

/// A book that follows the journal.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Book {
    /// What people say.
    Metastore,
    /// What changed.
    Timestore,
}

impl DeadLettersCommand {
    /// What every one of them takes.
    #[must_use]
    pub fn reading(&self) -> &Reading {
        match self {
            Self::List(args) => &args.reading,
            Self::Retry(args) | Self::Discard(args) => &args.reading,
        }
    }
}

pub(crate) fn run(services: &Services, command: &DeadLettersCommand) -> anyhow::Result<Outcome> {
    match command {
        DeadLettersCommand::List(args) => list(services, args),
        DeadLettersCommand::Retry(args) => settle(services, args, Method::POST, "/retry"),
        DeadLettersCommand::Discard(args) => settle(services, args, Method::DELETE, ""),
    }
}

fn list(services: &Services, args: &ListArgs) -> anyhow::Result<Outcome> {
    let columns = vec![
        Column::text("book"),
        Column::number("journalId"),
        Column::text("eventType"),
        Column::age("parkedAt").titled("PARKED"),
        Column::text("reason"),
    ];
    let mut out = Rows::stdout(args.reading.output, columns);
    for book in [&services.metastore, &services.timestore] {
        let mut cursor = None;
        loop {
            let mut query = vec![("limit", PAGE.to_string())];
            query.extend(cursor.map(|cursor| ("cursor", cursor)));
            let answer = book.json(book.get("/filestore/dead-letters").query(&query))?;
            let next = answer.get("nextCursor").and_then(Value::as_str);
            cursor = next.map(str::to_owned);
            for mut letter in rows_in(answer, &["deadLetters"]) {
                letter.insert("book".to_owned(), json!(book.name));
                out.push(&letter)?;
            }
            if cursor.is_none() {
                break;
            }
        }
    }
    out.finish()?;
    Ok(Outcome::Good)
}

/// Settles each letter; one that is refused does not keep the others from being settled.
fn settle(
    services: &Services,
    args: &SettleArgs,
    method: Method,
    action: &str,
) -> anyhow::Result<Outcome> {
    let book: &Service = match args.book {
        Book::Metastore => &services.metastore,
        Book::Timestore => &services.timestore,
    };
    let mut outcome = Outcome::Good;
    for journal_id in &args.journal_ids {
        let path = format!("/filestore/dead-letters/{journal_id}{action}");
        match book.send(book.request(method.clone(), &path)) {
            Ok(_) => say(format_args!("{journal_id}: done")),
            Err(error) if error.status().is_some() => {
                say(format_args!("{journal_id}: {error}"));
                outcome = Outcome::Bad;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(outcome)
}
