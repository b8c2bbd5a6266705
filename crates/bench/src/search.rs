//! What a search by words takes over a made-up catalogue, and what its index takes.
//!
//! The book is filled by statements and not by a journal: it is the search that is measured, and how
//! long the index takes to be made of it.

use crate::books;
use crate::growth::outcome;
use crate::memory;
use crate::outcome::Outcome;
use crate::tree::scramble;
use crate::watch::Stopwatch;
use anyhow::Context as _;
use httpkit::App;
use metastore::{Metastore, Options};
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How often a question is asked before it counts, and then.
const WARM_UPS: u64 = 5;
const QUESTIONS: u64 = 100;
/// Files in a directory.
const FOLDER: u64 = 64;
/// A file in so many is called after a rare animal.
const RARE: u64 = 1_000_003;
/// How many words names are made of.
const WORDS: u64 = 512;

/// What is looked for.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Kind {
    Rare,
    Common,
    Short,
    Absent,
    Two,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] = [
        Self::Rare,
        Self::Common,
        Self::Short,
        Self::Absent,
        Self::Two,
    ];

    pub(crate) fn shown(self) -> &'static str {
        match self {
            Self::Rare => "a rare word",
            Self::Common => "a common word",
            Self::Short => "a word of one or two letters",
            Self::Absent => "an absent word",
            Self::Two => "two words and an extension",
        }
    }

    /// A question; whether it has an answer.
    fn question(self, number: u64) -> (String, bool) {
        let some = |salt: u64| word(scramble(number * 8 + salt) % WORDS);
        match self {
            Self::Rare => ("Zebrafish".to_owned(), true),
            Self::Common => (some(1), true),
            Self::Short => (
                some(1)
                    .chars()
                    .take(1 + usize::from(number.is_multiple_of(2)))
                    .collect(),
                true,
            ),
            // All of its parts are in many names.
            Self::Absent => (format!("{}{}", some(1), some(2)), false),
            Self::Two => (format!("{} {} ext:pdf", some(1), some(2)), false),
        }
    }
}

/// A made-up word of two or three syllables.
fn word(number: u64) -> String {
    const BEGIN: [&str; 16] = [
        "b", "br", "c", "d", "f", "g", "gr", "k", "l", "m", "n", "p", "r", "s", "st", "t",
    ];
    const MIDDLE: [&str; 8] = ["a", "e", "i", "o", "u", "ai", "or", "en"];
    let part = |salt: u64| {
        let scrambled = scramble(number * 4 + salt);
        let begin = usize::try_from(scrambled % 16).unwrap_or_default();
        let middle = usize::try_from(scrambled / 16 % 8).unwrap_or_default();
        format!(
            "{}{}",
            BEGIN.get(begin).unwrap_or(&""),
            MIDDLE.get(middle).unwrap_or(&"")
        )
    };
    let third = if number.is_multiple_of(3) {
        part(3)
    } else {
        String::new()
    };
    format!("{}{}{third}", part(1), part(2))
}

/// Fills a book with so many nodes; the time is that of the index.
pub(crate) fn fill(data: &Path, nodes: u64) -> anyhow::Result<Outcome> {
    let options = Options::in_data_dir(data);
    let database = books::metastore_database(data);
    Metastore::open(options.clone())?.close();
    insert(&database, nodes)?;
    let before = memory::database_bytes(&database)?;
    memory::reset_peak()?;
    let watch = Stopwatch::start();
    let metastore = Metastore::open(options)?;
    while metastore.names_to_index()? >= 4_096 {
        std::thread::park_timeout(Duration::from_millis(50));
    }
    let mut outcome = Outcome::of(nodes, watch.stop()).with_peak()?;
    metastore.close();
    outcome.bytes = Some(memory::database_bytes(&database)?.saturating_sub(before));
    Ok(outcome)
}

fn insert(database: &Path, nodes: u64) -> anyhow::Result<()> {
    let mut connection = Connection::open(database)?;
    let transaction = connection.transaction()?;
    let mut node = transaction.prepare(
        "INSERT INTO filestore_nodes (node_id, backend_mount_id, path, kind, state, version,
             size_bytes, node_metadata, observed_at, journal_id, consistency_state, namespace)
         VALUES (?1, 1, ?2, ?3, 'active', 1, ?1, '{}', ?1, ?1, 'active', 1)",
    )?;
    let (mut folder, mut top) = (String::new(), String::new());
    for number in 0..nodes {
        let id = i64::try_from(number + 1)?;
        let some = |salt: u64| word(scramble(number * 8 + salt) % WORDS);
        let (path, kind) = if number.is_multiple_of(FOLDER * 256) {
            top = format!("{}-{:04}", some(1), number / FOLDER / 256);
            (top.clone(), "directory")
        } else if number.is_multiple_of(FOLDER) {
            folder = format!("{top}/{}-{:06}", some(1), number / FOLDER);
            (folder.clone(), "directory")
        } else {
            let extension = ["pdf", "txt", "jpg", "parquet"];
            let extension = extension.get(usize::try_from(number % 4)?).unwrap_or(&"");
            let below = if folder.starts_with(&top) {
                &folder
            } else {
                &top
            };
            let name = match number % RARE {
                500_000 => format!("zebrafish-{number}.{extension}"),
                _ => format!("{}-{}-{:05}.{extension}", some(1), some(2), number % 99_991),
            };
            (format!("{below}/{name}"), "file")
        };
        node.execute(params![id, path, kind])?;
    }
    drop(node);
    Ok(transaction.commit()?)
}

/// Asks for first pages of 100 through the REST API over loopback.
pub(crate) fn measure(data: &Path, nodes: u64, kind: Kind) -> anyhow::Result<Outcome> {
    let runtime = tokio::runtime::Runtime::new()?;
    let metastore = Metastore::open(Options::in_data_dir(data))?;
    memory::reset_peak()?;
    let stop = CancellationToken::new();
    let mut times = runtime.block_on(async {
        let listener = httpkit::bind("127.0.0.1", 0, false).await?;
        let url = format!("http://{}/records/search", listener.local_addr()?);
        let app = App::new("metastore", "Tidemark metastore", metastore.router());
        let served = tokio::spawn(httpkit::serve(listener, app.into_router(), stop.clone()));
        let client = reqwest::Client::new();
        let mut times = Vec::new();
        for number in 0..WARM_UPS + QUESTIONS {
            let (q, is_found) = kind.question(number);
            let body = json!({"namespace": "*", "q": q, "limit": 100});
            let started = Instant::now();
            let answer = client
                .post(&url)
                .json(&body)
                .send()
                .await?
                .error_for_status()?;
            let answer = answer.bytes().await?;
            let elapsed = started.elapsed();
            let answer: Value = serde_json::from_slice(&answer)?;
            let records = answer.get("records").and_then(Value::as_array);
            let records = records.context("a search has records")?;
            anyhow::ensure!(
                !is_found || !records.is_empty() || nodes < RARE,
                "nothing has {q}"
            );
            if number >= WARM_UPS {
                times.push(elapsed);
            }
        }
        stop.cancel();
        served.await??;
        anyhow::Ok(times)
    })?;
    let outcome = outcome(nodes, &mut times)?.with_peak()?;
    metastore.close();
    Ok(outcome)
}
