//! The consumers of this process and what wakes them.

use crate::config::Config;
use anyhow::Context as _;
use feed::bus::redis::{self, Server};
use feed::bus::{inline, poll};
use feed::consumer::{self, ConsumerHandle, ConsumerOptions, Pages};
use feed::{HttpJournalReader, Sink, publisher};
use journal::SystemClock;
use process::Task;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

/// How long Redis may take to answer at start.
const REDIS_START_TIMEOUT: Duration = Duration::from_secs(3);

/// Checks at start that the bus does what it is for, so that a typing mistake is found at once.
/// `listens`: a consumer runs here.
pub(super) fn check_bus(
    config: &Config,
    server: &Server,
    listens: bool,
    runtime: &Runtime,
) -> anyhow::Result<()> {
    let (silent_after, interval) = (config.feed.silent_after, config.feed.heartbeat_interval);
    anyhow::ensure!(
        silent_after > interval,
        "FEED_SILENT_AFTER: {silent_after:?} must be longer than FEED_HEARTBEAT_INTERVAL \
         ({interval:?}), or the bus would always be silent"
    );
    if !config.feed.require_bus_at_start {
        return Ok(());
    }
    let channel = &config.filestore.events_channel;
    let checked = redis::check(server, channel, listens, REDIS_START_TIMEOUT);
    runtime.block_on(checked).with_context(|| {
        format!(
            "FILESTORE_REDIS_URL: {server} cannot be the bus; start or correct it, set it to \
             'inline', or set FEED_REQUIRE_BUS_AT_START=false to start without it"
        )
    })
}

/// Where the consumers of this process read.
#[derive(Debug)]
pub(super) enum Journal {
    /// In filestore's own database. All consumers take the same pages.
    Here(Arc<filestore::Filestore>, Pages),
    /// Over HTTP.
    Elsewhere(HttpJournalReader),
}

impl Journal {
    pub(super) fn here(filestore: &Arc<filestore::Filestore>) -> Self {
        Self::Here(Arc::clone(filestore), Pages::of(filestore.reader()))
    }

    /// The pages of a consumer, for which retention keeps what it has not read yet.
    fn pages_of(&self, consumer: &str) -> Pages {
        match self {
            Self::Here(_, pages) => pages.clone(),
            Self::Elsewhere(reader) => Pages::from(Arc::new(reader.on_behalf_of(consumer))),
        }
    }
}

/// The reader of a journal in another process.
pub(super) fn remote_reader(
    config: &Config,
    runtime: &Runtime,
) -> anyhow::Result<HttpJournalReader> {
    let url = config.filestore.journal_url.as_deref().context(
        "FILESTORE_JOURNAL_URL is not set: a consumer without filestore in its process reads the \
         journal over HTTP; set it (or --filestore-journal-url) to filestore's address, for \
         example http://127.0.0.1:4200",
    )?;
    let token = config
        .common
        .token
        .as_ref()
        .map(|token| token.expose().to_owned());
    HttpJournalReader::new(url, token, runtime.handle().clone())
        .context("the HTTP client cannot be set up")
}

/// Starts the consumer of a sink, which health calls stalled after `stall_threshold` without
/// progress.
pub(super) fn spawn<S: Sink>(
    config: &Config,
    sink: S,
    journal: &Journal,
    stall_threshold: Duration,
) -> anyhow::Result<ConsumerHandle> {
    let options = options(config, stall_threshold)?;
    let pages = journal.pages_of(sink.name());
    let handle = consumer::spawn(sink, pages, Arc::new(SystemClock), options)
        .context("a consumer's thread cannot be started")?;
    if let Journal::Here(filestore, _) = journal {
        let consumer = handle.clone();
        filestore.hold_journal_for(handle.name(), move || consumer.needs_after());
    }
    Ok(handle)
}

fn options(config: &Config, stall_threshold: Duration) -> anyhow::Result<ConsumerOptions> {
    // A consumer that looks less often than health is patient would be called stalled while it
    // has nothing to do.
    let often_enough = stall_threshold / 2;
    Ok(ConsumerOptions {
        batch_max_entries: usize::try_from(config.feed.batch_max_entries)?,
        poll_interval: config.feed.poll_interval.min(often_enough),
        idle_interval: config.feed.idle_interval.min(often_enough),
        retry_first: Duration::from_millis(u64::from(config.timestore.filestore_retry_ms)),
        retry_longest: config.feed.retry_longest,
        dead_letters_max: u64::from(config.feed.dead_letters_max),
        ..ConsumerOptions::default()
    })
}

/// Starts what wakes the consumers, and the publisher where filestore is here. The tasks stop when
/// they are dropped.
pub(super) fn connect(
    config: &Config,
    server: Option<&Server>,
    journal: &Journal,
    consumers: &[ConsumerHandle],
    runtime: &Runtime,
    stop: &CancellationToken,
) -> anyhow::Result<Vec<Task>> {
    let mut tasks = Vec::new();
    match (server, journal) {
        (None, Journal::Here(filestore, _)) => {
            tasks.push(inline::spawn(filestore.reader(), consumers.to_vec())?);
        }
        (None, Journal::Elsewhere(reader)) => {
            for consumer in consumers {
                let reader = Arc::new(reader.until(stop.clone()));
                tasks.push(poll::spawn(reader, consumer.clone())?);
            }
        }
        (Some(server), _) => {
            let channel = &config.filestore.events_channel;
            if let Journal::Here(filestore, _) = journal {
                let (reader, channel) = (filestore.reader(), channel.clone());
                tasks.push(publisher::spawn(
                    reader,
                    server.clone(),
                    channel,
                    timing(config),
                )?);
            }
            if !consumers.is_empty() {
                runtime.spawn(redis::run(
                    server.clone(),
                    channel.clone(),
                    consumers.to_vec(),
                    timing(config),
                    stop.clone(),
                ));
            }
        }
    }
    Ok(tasks)
}

fn timing(config: &Config) -> redis::Timing {
    redis::Timing {
        connect_timeout: config.feed.bus_timeout,
        heartbeat_interval: config.feed.heartbeat_interval,
        silent_after: config.feed.silent_after,
        retry_longest: config.feed.retry_longest,
        ..redis::Timing::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Args as _, Command, FromArgMatches as _};

    fn config(arguments: &[&str]) -> Config {
        let command = Config::augment_args(Command::new("tidemark").no_binary_name(true));
        let command = crate::config::spelled(command);
        let matches = command.get_matches_from(arguments);
        Config::from_arg_matches(&matches).unwrap()
    }

    #[test]
    fn an_idle_consumer_looks_twice_as_often_as_health_is_patient() {
        let idle = |arguments: &[&str], threshold| {
            let options = options(&config(arguments), Duration::from_secs(threshold)).unwrap();
            (options.idle_interval, options.poll_interval)
        };
        let (half, second) = (Duration::from_millis(500), Duration::from_secs(1));
        assert_eq!(idle(&[], 1), (half, half));
        assert_eq!(idle(&[], 60), (Duration::from_secs(5), second));
        let told = ["--feed-idle-interval=2s", "--feed-poll-interval=3s"];
        assert_eq!(idle(&told, 60), (Duration::from_secs(2), 3 * second));
    }
}
