//! `verify`: proves that the three books agree, in bounded memory.
//!
//! 1. It waits until both consumers have reached the head that the journal has at the start.
//! 2. It checks that each checkpoint lies on the journal: the same epoch, and the digest that the
//!    journal has at that id. It counts dead letters, and the timestore's rows ([`checks`]).
//! 3. It has each service read its own store and compare what is said twice in it.
//! 4. It reads filestore's snapshot and both books' nodes, all in the order of node ids, and
//!    compares them side by side, one node of each in memory ([`walk`]).
//!
//! The books move on while they are read. A node whose last change one side cannot have seen yet
//! says nothing about agreement ([`judge`]); such nodes are looked at once more at the end, after
//! another wait. What changes even then is counted and said, and is no difference.

mod books;
mod checks;
mod judge;
mod walk;

use crate::client::Services;
use crate::commands::Outcome;
use crate::output::{Column, Row, Rows, say};
use crate::reading::Reading;
use clap::Args;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use journal::JournalId;
use judge::Book;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{BufWriter, StdoutLock};
use std::time::{Duration, Instant};

/// Nodes in motion that are remembered for the second look.
const SECOND_LOOK_MAX: usize = 500_000;

/// `tidemark verify`
#[derive(Args, Debug)]
pub struct VerifyArgs {
    /// How long to wait for the consumers to reach the journal's head
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    #[arg(value_parser = crate::config::parse_duration)]
    pub wait: Duration,
    /// Do not read every store in full
    #[arg(long)]
    pub quick: bool,
    /// How to print, and where the services are.
    #[command(flatten)]
    pub reading: Reading,
}

/// A difference between two books, or between a book and the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Difference {
    book: Book,
    node_id: Option<i64>,
    path: Option<String>,
    field: &'static str,
    /// What filestore says.
    filestore: Value,
    /// What the book says.
    found: Value,
}

impl Difference {
    /// A difference that is not about one node.
    fn of_book(book: Book, field: &'static str, filestore: Value, found: Value) -> Self {
        Self {
            book,
            node_id: None,
            path: None,
            field,
            filestore,
            found,
        }
    }
}

/// Prints and counts differences.
struct Report {
    rows: Rows<BufWriter<StdoutLock<'static>>>,
    differences: u64,
}

impl Report {
    fn add(&mut self, difference: Difference) -> std::io::Result<()> {
        self.differences += 1;
        let mut row = Row::new();
        row.insert("book".to_owned(), json!(difference.book.name()));
        row.insert("nodeId".to_owned(), json!(difference.node_id));
        row.insert("path".to_owned(), json!(difference.path));
        row.insert("field".to_owned(), json!(difference.field));
        row.insert("filestore".to_owned(), difference.filestore);
        row.insert("found".to_owned(), difference.found);
        self.rows.push(&row)
    }
}

impl Report {
    /// Something in a service's own store that is not as it was written.
    fn damage(&mut self, service: &str, part: &str, detail: &str) -> std::io::Result<()> {
        self.differences += 1;
        let mut row = Row::new();
        row.insert("book".to_owned(), json!(service));
        row.insert("nodeId".to_owned(), Value::Null);
        row.insert("path".to_owned(), Value::Null);
        row.insert("field".to_owned(), json!(format!("integrity of {part}")));
        row.insert("filestore".to_owned(), Value::Null);
        row.insert("found".to_owned(), json!(detail));
        self.rows.push(&row)
    }
}

pub(crate) fn run(services: &Services, args: &VerifyArgs) -> anyhow::Result<Outcome> {
    let columns = vec![
        Column::text("book"),
        Column::number("nodeId"),
        Column::text("path"),
        Column::text("field"),
        Column::text("filestore"),
        Column::text("found"),
    ];
    let rows = Rows::stdout(args.reading.output, columns);
    let mut report = Report {
        rows,
        differences: 0,
    };
    let bar = bar();

    let head = checks::position(services)?.head;
    let books = followers(services, args.wait, head, &bar, &mut report)?;
    for book in &books {
        checks::checkpoint(services, *book, &mut report)?;
    }
    if books.contains(&Book::Timestore) {
        checks::rows(services, &mut report)?;
    }

    if !args.quick {
        bar.set_message("reading every store");
        checks::integrity(services, &mut report)?;
    }

    bar.set_message("comparing nodes");
    let mut look = walk::Look {
        books: &books,
        only: None,
        bar: &bar,
    };
    let mut first = walk::walk(services, &look, SECOND_LOOK_MAX, &mut report)?;
    let mut unsettled = first.beyond_memory;
    if !first.unsettled.is_empty() {
        bar.set_message("looking again at nodes that changed meanwhile");
        let head = checks::position(services)?.head;
        for book in &books {
            checks::wait(services, *book, head, args.wait)?;
        }
        let again: BTreeSet<i64> = std::mem::take(&mut first.unsettled);
        look.only = Some(&again);
        let second = walk::walk(services, &look, SECOND_LOOK_MAX, &mut report)?;
        unsettled += second.beyond_memory + second.unsettled.len() as u64;
    }
    let contents = if args.quick {
        Vec::new()
    } else {
        bar.set_message("reading every book for its content's digest");
        checks::contents(services, &books)
    };
    bar.finish_and_clear();
    for content in contents {
        say(format_args!("{content}"));
    }
    let differences = report.differences;
    // A table of no differences would be a lonely header.
    if differences > 0 || args.reading.output != crate::output::Format::Table {
        report.rows.finish()?;
    }
    conclude(&first, unsettled, differences)
}

fn conclude(first: &walk::Seen, unsettled: u64, differences: u64) -> anyhow::Result<Outcome> {
    if unsettled > 0 {
        say(format_args!(
            "{} nodes changed while they were compared, twice; they are left out",
            HumanCount(unsettled)
        ));
    }
    let verified = format!(
        "verified {} nodes, {} entries:",
        HumanCount(first.nodes),
        HumanCount(first.journal_id.get())
    );
    if differences == 0 {
        say(format_args!("{verified} the three books agree"));
        return Ok(Outcome::Good);
    }
    let plural = if differences == 1 {
        "difference"
    } else {
        "differences"
    };
    say(format_args!(
        "{verified} {} {plural}",
        HumanCount(differences)
    ));
    Ok(Outcome::Bad)
}

/// The books that follow the journal, after waiting for them. One that does not follow it is a
/// difference, and so is one that stays behind.
fn followers(
    services: &Services,
    wait: Duration,
    head: JournalId,
    bar: &ProgressBar,
    report: &mut Report,
) -> anyhow::Result<Vec<Book>> {
    let deadline = Instant::now() + wait;
    let mut following = Vec::new();
    for book in Book::ALL {
        bar.set_message(format!("waiting for {} to reach entry {head}", book.name()));
        let health = crate::commands::status::health(book.service(services))?;
        if health.get("enabled") == Some(&json!(false)) {
            let (enabled, disabled) = (json!("enabled"), json!("disabled"));
            report.add(Difference::of_book(book, "sync", enabled, disabled))?;
            continue;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let reached = checks::wait(services, book, head, left)?;
        if reached < head {
            let (wanted, found) = (json!(head), json!(reached));
            report.add(Difference::of_book(book, "checkpoint", wanted, found))?;
            let reason = match health.get("lastError").and_then(Value::as_str) {
                Some(error) => format!("; its last error: {error}"),
                None => String::new(),
            };
            say(format_args!(
                "{} lags {} entries behind the journal{reason}",
                book.name(),
                head.entries_since(reached),
            ));
        }
        following.push(book);
    }
    Ok(following)
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {human_pos} [{elapsed}]") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
