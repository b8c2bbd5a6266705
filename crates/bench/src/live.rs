//! Commands through the REST API while both books follow.
//!
//! A command is the smallest of its kind ([`Kind`]). It appends two entries, the node's and its own.

mod latency;
mod small;

pub(crate) use small::{CONTENTS, Kind, MADE};

use crate::books::Books;
use crate::memory;
use crate::outcome::Outcome;
use crate::watch::{Stopwatch, Watched};
use anyhow::Context as _;
use filestore::{Filestore, Options, ScanOptions};
use futures::future::try_join_all;
use httpkit::App;
use journal::{Event, JournalId, NodeKind};
use latency::Watch;
use small::Small;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// Who commands at the same time.
pub(crate) const CLIENTS: u32 = 16;
/// A thousand entries a second.
const COMMANDS_A_SECOND: u32 = 500;

/// Commands at a rate: from each commit until both books show it. Entries are the journal's.
pub(crate) fn live(tree: &Path, data: &Path, commands: u64) -> anyhow::Result<Outcome> {
    let every = Duration::from_secs(1) * CLIENTS / COMMANDS_A_SECOND;
    let runtime = Runtime::new()?;
    let system = System::open(tree, data, &runtime)?;
    let before = system.filestore.reader().position()?.head;
    let watch = Watch::start(&system.filestore, &system.books.consumers)?;
    memory::reset_peak()?;
    let run = runtime.block_on(system.run(Kind::Metadata, commands, Some(every)))?;
    let mut latencies = watch.latencies(before, &system.books.consumers)?;
    let entries = run.head.entries_since(before);
    let outcome = Outcome::of(entries, run.watched)
        .with_peak()?
        .with_times(&mut latencies);
    system.close()?;
    Ok(outcome)
}

/// As many commands as there can be, each client one at a time. Entries are commands, and the
/// times are what a client waits.
pub(crate) fn commands(
    tree: &Path,
    data: &Path,
    commands: u64,
    kind: Kind,
) -> anyhow::Result<Outcome> {
    let runtime = Runtime::new()?;
    let system = System::open(tree, data, &runtime)?;
    memory::reset_peak()?;
    let mut run = runtime.block_on(system.run(kind, commands, None))?;
    let done = u64::try_from(run.answered.len())?;
    let outcome = Outcome::of(done, run.watched)
        .with_peak()?
        .with_times(&mut run.answered);
    system.close()?;
    Ok(outcome)
}

/// The three services in one process, with a tree catalogued and both books at the head.
struct System {
    filestore: Arc<Filestore>,
    books: Books,
    url: String,
    files: Vec<i64>,
    /// An empty mount, for what is made.
    empty: i64,
    stop: CancellationToken,
}

struct Run {
    /// From the first command to the last one's answer.
    watched: Watched,
    /// How long each command took.
    answered: Vec<Duration>,
    /// The journal's head after them.
    head: JournalId,
}

impl System {
    fn open(tree: &Path, data: &Path, runtime: &Runtime) -> anyhow::Result<Self> {
        let filestore = Filestore::open(Options::new(data))?;
        let mount = filestore.ensure_local_mount(tree)?;
        filestore.scan(mount.id, &ScanOptions::default())?;
        let reader = filestore.reader();
        let files = files(&*reader)?;
        let empty = small::empty_mount(&filestore, data)?;
        let mut books = Books::open(data)?;
        books.follow(&reader)?;
        runtime.block_on(books.wait_for(reader.position()?.head))?;
        let stop = CancellationToken::new();
        let url = runtime.block_on(async {
            let listener = httpkit::bind("127.0.0.1", 0, false).await?;
            let url = format!("http://{}", listener.local_addr()?);
            let app = App::new("filestore", "Tidemark filestore", filestore.router());
            tokio::spawn(httpkit::serve(listener, app.into_router(), stop.clone()));
            anyhow::Ok(url)
        })?;
        Ok(Self {
            filestore,
            books,
            url,
            files,
            empty,
            stop,
        })
    }

    /// Lets the clients run, and waits for both books.
    async fn run(&self, kind: Kind, commands: u64, every: Option<Duration>) -> anyhow::Result<Run> {
        let client = reqwest::Client::new();
        let share = usize::try_from(commands.div_ceil(u64::from(CLIENTS)))?;
        let watch = Stopwatch::start();
        let clients = (0..CLIENTS).map(|number| {
            let mine = self.files.iter().skip(usize::try_from(number).unwrap_or(0));
            let mine = mine.step_by(usize::try_from(CLIENTS).unwrap_or(1));
            let mine: Vec<_> = mine.copied().collect();
            let commands = small::of_client(kind, &self.url, number, share, (&mine, self.empty));
            // The clients begin one after another, so that they do not all come at once.
            let offset = every.map(|every| every * number / CLIENTS);
            let client = client.clone();
            async move {
                let task = tokio::spawn(send(client, commands, every, offset));
                task.await.context("a client panicked")?
            }
        });
        let answered = try_join_all(clients).await?.concat();
        let watched = watch.stop();
        let head = self.filestore.reader().position()?.head;
        self.books.wait_for(head).await?;
        Ok(Run {
            watched,
            answered,
            head,
        })
    }

    fn close(self) -> anyhow::Result<()> {
        self.stop.cancel();
        self.books.close()?;
        self.filestore.close();
        Ok(())
    }
}

/// One client: a command after the other, or one at each tick.
async fn send(
    client: reqwest::Client,
    commands: Vec<Small>,
    every: Option<Duration>,
    offset: Option<Duration>,
) -> anyhow::Result<Vec<Duration>> {
    let mut ticks = match (every, offset) {
        (Some(every), Some(offset)) => {
            let start = tokio::time::Instant::now() + offset;
            let mut ticks = tokio::time::interval_at(start, every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            Some(ticks)
        }
        _ => None,
    };
    let mut answered = Vec::with_capacity(commands.len());
    for command in commands {
        if let Some(ticks) = &mut ticks {
            ticks.tick().await;
        }
        let started = Instant::now();
        let answer = command.request(&client).send().await?;
        answer.error_for_status()?.bytes().await?;
        answered.push(started.elapsed());
    }
    Ok(answered)
}

/// Files that the journal tells of.
fn files(reader: &dyn journal::JournalReader) -> anyhow::Result<Vec<i64>> {
    const ENOUGH: usize = 4_096;
    let page = reader.read(JournalId::ZERO, ENOUGH)?;
    let mut files = Vec::new();
    for entry in &page.entries {
        if let Event::Node(event) = entry.event()?
            && event.kind == NodeKind::File
        {
            files.push(event.node_id);
        }
    }
    anyhow::ensure!(files.len() >= 16, "the tree has too few files");
    Ok(files)
}
