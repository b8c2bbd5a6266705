//! `consumers`: how far each consumer of the journal is, and what keeps it.

use super::status::health;
use super::{Outcome, text};
use crate::client::{Service, Services};
use crate::output::{Column, Row, Rows, say};
use crate::reading::Reading;
use anyhow::Context as _;
use clap::Args;
use serde_json::{Value, json};

/// How much of a digest or an epoch a table shows.
const SHORT: usize = 12;

/// `tidemark consumers`
#[derive(Args, Debug)]
pub struct ConsumersArgs {
    /// Read each book in full for the digest of its contents
    #[arg(long)]
    pub content: bool,
    /// How to print, and where the services are.
    #[command(flatten)]
    pub reading: Reading,
}

pub(crate) fn run(services: &Services, args: &ConsumersArgs) -> anyhow::Result<Outcome> {
    let columns = vec![
        Column::text("consumer"),
        Column::text("status"),
        Column::text("state"),
        Column::number("checkpoint"),
        Column::number("head"),
        Column::number("lagEntries"),
        Column::seconds("lagSeconds").titled("LAG"),
        Column::text("digest"),
        Column::text("epoch"),
        Column::text("bus"),
        Column::number("retries"),
        Column::number("deadLetters"),
        Column::text("rebuild"),
        Column::text("lastError").for_programs(),
    ];
    let mut columns = columns;
    if args.content {
        columns.push(Column::text("content"));
    }
    let is_table = args.reading.output == crate::output::Format::Table;
    let mut out = Rows::stdout(args.reading.output, columns);
    let mut outcome = Outcome::Good;
    for service in [&services.metastore, &services.timestore] {
        let mut row = row(service, is_table);
        if args.content {
            // As long as reading everything takes.
            let digest = service.send(service.get("/filestore/digest"))?;
            let digest: Value = digest.json().context("the digest is not understood")?;
            let content = digest.get("content").cloned().unwrap_or_default();
            row.insert("content".to_owned(), content);
        }
        if !matches!(text(&row, "status"), "ok" | "disabled") {
            outcome = Outcome::Bad;
        }
        out.push(&row)?;
        // A table has no room for what a person should read in full.
        let error = text(&row, "lastError");
        if is_table && !error.is_empty() {
            say(format_args!("{}: {error}", service.name));
        }
    }
    out.finish()?;
    Ok(outcome)
}

fn row(service: &Service, is_table: bool) -> Row {
    let mut row = match health(service) {
        Ok(health) => health,
        Err(error) => {
            let mut row = Row::new();
            row.insert("status".to_owned(), json!("unreachable"));
            row.insert("lastError".to_owned(), json!(error.to_string()));
            row
        }
    };
    row.insert("consumer".to_owned(), json!(service.name));
    // Numbers and words where health has objects, so that every format has the same columns.
    let part = |row: &Row, object: &str, key: &str| {
        row.get(object)
            .and_then(|value| value.get(key))
            .cloned()
            .unwrap_or_default()
    };
    if row.contains_key("bus") {
        let (mode, state) = (part(&row, "bus", "mode"), part(&row, "bus", "state"));
        let heartbeat = part(&row, "bus", "lastHeartbeatAt");
        let word = |value: &Value| value.as_str().unwrap_or("unknown").to_owned();
        row.insert(
            "bus".to_owned(),
            json!(format!("{}, {}", word(&mode), word(&state))),
        );
        row.insert("lastHeartbeatAt".to_owned(), heartbeat);
    }
    if row.contains_key("retries") {
        let total = part(&row, "retries", "total");
        row.insert("retries".to_owned(), total);
    }
    let progress = rebuild(row.get("rebuild"));
    row.insert("rebuild".to_owned(), progress);
    if is_table {
        for key in ["digest", "epoch"] {
            let short: String = text(&row, key).chars().take(SHORT).collect();
            row.insert(key.to_owned(), json!(short));
        }
    }
    row
}

/// `running 120/4000`, `done`, …
fn rebuild(status: Option<&Value>) -> Value {
    let Some(status) = status.filter(|status| status.is_object()) else {
        return Value::Null;
    };
    let word = |key: &str| status.get(key).and_then(Value::as_str).unwrap_or_default();
    let number = |key: &str| status.get(key).and_then(Value::as_u64).unwrap_or_default();
    match word("state") {
        "running" => json!(format!(
            "{} {}/{}",
            word("kind"),
            number("journalId"),
            number("head")
        )),
        state => json!(format!("{} {state}", word("kind"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rebuild_is_told_in_a_few_words() {
        assert_eq!(rebuild(None), Value::Null);
        assert_eq!(rebuild(Some(&Value::Null)), Value::Null);
        let running =
            json!({"state": "running", "kind": "rebuild", "journalId": 120, "head": 4000});
        assert_eq!(rebuild(Some(&running)), "rebuild 120/4000");
        let failed = json!({"state": "failed", "kind": "replay", "journalId": 1, "head": 2});
        assert_eq!(rebuild(Some(&failed)), "replay failed");
    }
}
