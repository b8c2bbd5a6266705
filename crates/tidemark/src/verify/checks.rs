//! What is checked besides the nodes: where the journal and the checkpoints are, digests, dead
//! letters, and the rows of the timestore.

use super::judge::Book;
use super::{Difference, Report};
use crate::client::{ANSWER_TIMEOUT, Error, Services};
use journal::{Digest, Epoch, JournalId};
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The longest wait that one request asks for.
const WAIT_STEP: Duration = Duration::from_secs(5);

/// Where the journal is, and its digest at an id.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position {
    pub(super) head: JournalId,
    trimmed: JournalId,
    epoch: Epoch,
    /// `None` past the head.
    after_digest: Option<Digest>,
}

/// Where the journal is now.
pub(super) fn position(services: &Services) -> Result<Position, Error> {
    digest_at(services, JournalId::ZERO)
}

fn digest_at(services: &Services, after: JournalId) -> Result<Position, Error> {
    let filestore = &services.filestore;
    let request = filestore
        .get("/v1/journal")
        .query(&[("after", after.get()), ("limit", 0)]);
    let response = filestore.send(request.timeout(ANSWER_TIMEOUT))?;
    let headers = response.headers();
    Ok(Position {
        head: filestore.header(headers, "tidemark-head")?,
        trimmed: filestore.header(headers, "tidemark-trimmed")?,
        epoch: filestore.header(headers, "tidemark-epoch")?,
        after_digest: filestore.header_if_any(headers, "tidemark-after-digest")?,
    })
}

/// Waits until the book has applied the entry `head`, at most this long, and gives its checkpoint.
pub(super) fn wait(
    services: &Services,
    book: Book,
    head: JournalId,
    at_most: Duration,
) -> anyhow::Result<JournalId> {
    let service = book.service(services);
    let deadline = Instant::now() + at_most;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let wait_ms = left.min(WAIT_STEP).as_millis().to_string();
        let (after, limit) = (i64::MAX.to_string(), "1".to_owned());
        let query = [("after", after), ("limit", limit), ("waitMs", wait_ms)];
        let request = service.get("/filestore/nodes").query(&query);
        let request = request.header("Tidemark-Min-Journal-Id", head.get());
        let response = service.send_any(request.timeout(WAIT_STEP + ANSWER_TIMEOUT))?;
        let is_late = response.status() == StatusCode::GATEWAY_TIMEOUT;
        if !is_late && !response.status().is_success() {
            let (status, detail) = (response.status(), response.text().unwrap_or_default());
            return Err(Error::Refused {
                service: service.name,
                status,
                detail,
            }
            .into());
        }
        let reached: JournalId = service.header(response.headers(), "tidemark-journal-id")?;
        if !is_late || reached >= head || left.is_zero() {
            return Ok(reached);
        }
    }
}

/// Checks that the book's checkpoint lies on the journal, and that nothing is parked.
pub(super) fn checkpoint(
    services: &Services,
    book: Book,
    report: &mut Report,
) -> anyhow::Result<()> {
    let service = book.service(services);
    let query = [("after", i64::MAX), ("limit", 1)];
    let request = service
        .get("/filestore/nodes")
        .query(&query)
        .timeout(ANSWER_TIMEOUT);
    let response = service.send(request)?;
    let headers = response.headers();
    let journal_id: JournalId = service.header(headers, "tidemark-journal-id")?;
    let epoch: Option<Epoch> = service.header_if_any(headers, "tidemark-epoch")?;
    let digest: Option<Digest> = service.header_if_any(headers, "tidemark-digest")?;

    let journal = digest_at(services, journal_id)?;
    let differs = |field, ours: Value, theirs: Value| {
        (ours != theirs).then(|| Difference::of_book(book, field, ours, theirs))
    };
    if epoch.is_none() && journal_id == JournalId::ZERO && journal.head == JournalId::ZERO {
        // An empty journal that nobody has read yet.
    } else if let Some(other) = differs("epoch", json!(journal.epoch), json!(epoch)) {
        report.add(other)?;
    } else if journal.after_digest.is_none() {
        let ahead = json!(journal_id);
        report.add(Difference::of_book(
            book,
            "checkpoint",
            json!(journal.head),
            ahead,
        ))?;
    } else if let Some(other) = differs("digest", json!(journal.after_digest), json!(digest)) {
        report.add(other)?;
    }

    let parked = dead_letters(services, book)?;
    if parked > 0 {
        report.add(Difference::of_book(
            book,
            "deadLetters",
            json!(0),
            json!(parked),
        ))?;
    }
    Ok(())
}

fn dead_letters(services: &Services, book: Book) -> Result<u64, Error> {
    let service = book.service(services);
    let health = crate::commands::status::health(service)?;
    health
        .get("deadLetters")
        .and_then(Value::as_u64)
        .ok_or_else(|| service.garbled("its health does not count dead letters"))
}

/// Checks that the timestore has one row for every entry: none doubled, and none missing, unless
/// it once started from a snapshot and so never saw the entries before.
pub(super) fn rows(services: &Services, report: &mut Report) -> anyhow::Result<()> {
    let timestore = &services.timestore;
    let table = &services.config.timestore.filestore_table_name;
    let sql = include_str!("rows.sql").replace("{table}", table);
    let request = timestore.request(reqwest::Method::POST, "/sql/read");
    let answer = timestore.json(request.json(&json!({ "sql": sql })))?;
    let row = answer
        .get("rows")
        .and_then(|rows| rows.get(0))
        .cloned()
        .unwrap_or_default();
    let number = |name: &str| {
        // Numbers that a double cannot hold come as text.
        let value = row.get(name).and_then(|value| match value {
            Value::String(text) => text.parse().ok(),
            value => value.as_u64(),
        });
        value.ok_or_else(|| timestore.garbled(format!("its SQL answer has no number `{name}`")))
    };
    let (total, entries, last) = (number("total")?, number("entries")?, number("last")?);
    if total != entries {
        let (wanted, found) = (json!(entries), json!(total));
        report.add(Difference::of_book(Book::Timestore, "rows", wanted, found))?;
    }
    let parked = dead_letters(services, Book::Timestore)?;
    let is_whole = number("snapshots")? == 0 && position(services)?.trimmed == JournalId::ZERO;
    if is_whole && (entries > last || entries + parked < last) {
        let (wanted, found) = (json!(last), json!(entries));
        report.add(Difference::of_book(
            Book::Timestore,
            "entries",
            wanted,
            found,
        ))?;
    }
    Ok(())
}

/// Has each service read all of its store, and reports what is not as it was written.
pub(super) fn integrity(services: &Services, report: &mut Report) -> anyhow::Result<()> {
    let stores = [
        (&services.filestore, "/v1/integrity"),
        (&services.metastore, "/filestore/integrity"),
        (&services.timestore, "/filestore/integrity"),
    ];
    for (service, path) in stores {
        // As long as reading everything takes.
        let response = service.send(service.get(path))?;
        let answer: Value = response
            .json()
            .map_err(|error| service.garbled(error.to_string()))?;
        let answer = answer.get("data").unwrap_or(&answer);
        let findings = answer
            .get("findings")
            .and_then(Value::as_array)
            .ok_or_else(|| service.garbled("it has no findings"))?;
        for finding in findings {
            let word = |key: &str| finding.get(key).and_then(Value::as_str).unwrap_or_default();
            report.damage(service.name, word("part"), word("detail"))?;
        }
    }
    Ok(())
}

/// The digest of each book's contents, for people: two books with the same one hold the same.
pub(super) fn contents(services: &Services, books: &[Book]) -> Vec<String> {
    let of = |book: &Book| {
        let service = book.service(services);
        // As long as reading everything takes.
        let answer = service.send(service.get("/filestore/digest"));
        let answer = answer.and_then(|response| {
            let body = response.json::<Value>();
            body.map_err(|error| service.garbled(error.to_string()))
        });
        match answer {
            Ok(digest) => {
                let content = digest.get("content").and_then(Value::as_str);
                let at = digest.get("journalId").and_then(Value::as_u64);
                format!(
                    "{}: content {} at entry {}",
                    book.name(),
                    content.unwrap_or("unknown"),
                    at.unwrap_or_default()
                )
            }
            Err(error) => format!("{}: its content has no digest: {error}", book.name()),
        }
    };
    books.iter().map(of).collect()
}
