//! The two books that follow the journal, wired as the executable wires them.

use crate::memory;
use feed::bus::inline;
use feed::consumer::{self, ConsumerHandle, ConsumerOptions, Pages};
use feed::{ConsumerState, SharedReader};
use journal::{JournalId, SystemClock};
use metastore::Metastore;
use process::Task;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use timestore::Timestore;

/// How long the books may take to reach the head before something must be wrong.
const PATIENCE: Duration = Duration::from_secs(3_600);
/// How often a wait looks whether a consumer has halted.
const LOOK: Duration = Duration::from_millis(200);

/// The metastore's database in a data directory.
pub(crate) fn metastore_database(data: &Path) -> PathBuf {
    metastore::Options::in_data_dir(data).database_path
}

/// What a timestore in a data directory is opened with.
pub(crate) fn timestore_options(data: &Path) -> timestore::Options {
    timestore::Options::new(data, Arc::new(SystemClock))
}

/// Metastore and timestore in one process, with their consumers.
pub(crate) struct Books {
    data: PathBuf,
    metastore: Metastore,
    timestore: Timestore,
    pub(crate) consumers: Vec<ConsumerHandle>,
    bus: Option<Task>,
}

impl Books {
    /// Opens the two, which follow nothing yet.
    pub(crate) fn open(data: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            data: data.to_owned(),
            metastore: Metastore::open(metastore::Options::in_data_dir(data))?,
            timestore: Timestore::open(timestore_options(data))?,
            consumers: Vec::new(),
            bus: None,
        })
    }

    /// Starts the consumers and the bus.
    pub(crate) fn follow(&mut self, reader: &SharedReader) -> anyhow::Result<()> {
        let clock = Arc::new(SystemClock);
        let options = ConsumerOptions::default();
        let pages = Pages::of(Arc::clone(reader));
        self.consumers = vec![
            consumer::spawn(
                self.metastore.sink()?,
                pages.clone(),
                Arc::clone(&clock) as _,
                options.clone(),
            )?,
            consumer::spawn(self.timestore.sink(), pages, clock, options)?,
        ];
        self.bus = Some(inline::spawn(Arc::clone(reader), self.consumers.clone())?);
        Ok(())
    }

    /// Waits until both have applied the entry.
    pub(crate) async fn wait_for(&self, head: JournalId) -> anyhow::Result<()> {
        for consumer in &self.consumers {
            wait_for(consumer, head).await?;
        }
        Ok(())
    }

    /// Stops the consumers and closes the books; what the two take on disk.
    pub(crate) fn close(self) -> anyhow::Result<u64> {
        drop(self.bus);
        stop(&self.consumers)?;
        self.metastore.close();
        self.timestore.close();
        let metastore = memory::database_bytes(&metastore_database(&self.data))?;
        let timestore = memory::database_bytes(&timestore_options(&self.data).database_path)?;
        Ok(metastore + timestore)
    }
}

/// Waits until the consumer has applied the entry.
pub(crate) async fn wait_for(consumer: &ConsumerHandle, head: JournalId) -> anyhow::Result<()> {
    let mut waited = Duration::ZERO;
    while consumer.wait_for(head, LOOK).await < head {
        check(consumer)?;
        waited += LOOK;
        anyhow::ensure!(
            waited < PATIENCE,
            "{} does not reach {head}",
            consumer.name()
        );
    }
    check(consumer)
}

/// Stops them, and waits for their ends.
pub(crate) fn stop(consumers: &[ConsumerHandle]) -> anyhow::Result<()> {
    consumers.iter().for_each(ConsumerHandle::stop);
    for consumer in consumers {
        anyhow::ensure!(
            consumer.stopped(PATIENCE),
            "{} does not stop",
            consumer.name()
        );
    }
    Ok(())
}

/// A consumer that tries again or has halted would be measured wrongly.
fn check(consumer: &ConsumerHandle) -> anyhow::Result<()> {
    let status = consumer.status();
    let is_well = matches!(
        status.state,
        ConsumerState::Starting | ConsumerState::Following
    );
    anyhow::ensure!(
        is_well && status.dead_letters == 0,
        "{} is {:?} with {} dead letters: {}",
        consumer.name(),
        status.state,
        status.dead_letters,
        status.last_error.unwrap_or_default()
    );
    Ok(())
}
