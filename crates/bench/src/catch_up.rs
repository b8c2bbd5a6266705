//! Catching up: from the first entry to the head, through the real consumer and sink.

use crate::books::{self, Books};
use crate::memory;
use crate::outcome::Outcome;
use crate::source::Source;
use crate::watch::Stopwatch;
use anyhow::Context as _;
use feed::consumer::{self, ConsumerOptions};
use feed::{SharedReader, Sink};
use journal::{JournalId, SystemClock, chain};
use metastore::Metastore;
use std::path::Path;
use std::sync::Arc;
use timestore::Timestore;

/// A journal, read in the consumer's batches, with its digests checked: what no book can be faster
/// than, unless it reads ahead.
pub(crate) fn read(source: &Source) -> anyhow::Result<Outcome> {
    let journal = source.open()?;
    let limit = ConsumerOptions::default().batch_max_entries;
    memory::reset_peak()?;
    let watch = Stopwatch::start();
    let mut after = JournalId::ZERO;
    loop {
        let page = journal.reader.read(after, limit)?;
        let Some(last) = page.entries.last() else {
            break;
        };
        let digest = page
            .after_digest
            .context("an entry that was read has a digest")?;
        chain::verify(after, digest, &page.entries)?;
        after = last.id;
    }
    Outcome::of(after.get(), watch.stop()).with_peak()
}

/// A journal into the metastore.
pub(crate) fn metastore(source: &Source, data: &Path) -> anyhow::Result<Outcome> {
    let journal = source.open()?;
    let metastore = Metastore::open(metastore::Options::in_data_dir(data))?;
    let mut outcome = follow(metastore.sink()?, &journal.reader)?;
    metastore.close();
    outcome.bytes = Some(memory::database_bytes(&books::metastore_database(data))?);
    Ok(outcome)
}

/// A journal into the timestore.
pub(crate) fn timestore(source: &Source, data: &Path) -> anyhow::Result<Outcome> {
    let journal = source.open()?;
    let options = books::timestore_options(data);
    let database = options.database_path.clone();
    let timestore = Timestore::open(options)?;
    let mut outcome = follow(timestore.sink(), &journal.reader)?;
    timestore.close();
    outcome.bytes = Some(memory::database_bytes(&database)?);
    Ok(outcome)
}

/// Starts the consumer on its threads, and waits until it is at the head.
fn follow<S: Sink>(sink: S, reader: &SharedReader) -> anyhow::Result<Outcome> {
    let head = reader.position()?.head;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    memory::reset_peak()?;
    let watch = Stopwatch::start();
    let (clock, options) = (Arc::new(SystemClock), ConsumerOptions::default());
    let consumer = consumer::spawn(sink, Arc::clone(reader), clock, options)?;
    runtime.block_on(books::wait_for(&consumer, head))?;
    let outcome = Outcome::of(head.get(), watch.stop()).with_peak()?;
    books::stop(std::slice::from_ref(&consumer))?;
    Ok(outcome)
}

/// A journal into both, each with its consumer's thread.
pub(crate) fn both(source: &Source, data: &Path) -> anyhow::Result<Outcome> {
    let journal = source.open()?;
    let head = journal.reader.position()?.head;
    let runtime = tokio::runtime::Runtime::new()?;
    let mut books = Books::open(data)?;
    memory::reset_peak()?;
    let watch = Stopwatch::start();
    books.follow(&journal.reader)?;
    runtime.block_on(books.wait_for(head))?;
    let mut outcome = Outcome::of(head.get(), watch.stop()).with_peak()?;
    outcome.bytes = Some(books.close()?);
    Ok(outcome)
}
