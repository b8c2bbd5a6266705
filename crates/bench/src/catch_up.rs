//! Catching up: from the first entry to the head, through the real consumer and sink.

use crate::books::{self, Books};
use crate::memory;
use crate::source::Source;
use crate::task::Outcome;
use feed::consumer::{Consumer, ConsumerOptions};
use feed::{SharedReader, Sink};
use journal::SystemClock;
use metastore::Metastore;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use timestore::Timestore;

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

/// Turns the consumer, in this thread, until it is at the head.
fn follow<S: Sink>(sink: S, reader: &SharedReader) -> anyhow::Result<Outcome> {
    let head = reader.position()?.head;
    let options = ConsumerOptions::default();
    let mut consumer = Consumer::new(sink, Arc::clone(reader), Arc::new(SystemClock), options);
    memory::reset_peak()?;
    let started = Instant::now();
    while consumer.handle().status().checkpoint < head {
        consumer.turn();
        books::check(consumer.handle())?;
    }
    Outcome::of(head.get(), started.elapsed()).with_peak()
}

/// A journal into both, each with its consumer's thread.
pub(crate) fn both(source: &Source, data: &Path) -> anyhow::Result<Outcome> {
    let journal = source.open()?;
    let head = journal.reader.position()?.head;
    let runtime = tokio::runtime::Runtime::new()?;
    let mut books = Books::open(data)?;
    memory::reset_peak()?;
    let started = Instant::now();
    books.follow(&journal.reader)?;
    runtime.block_on(books.wait_for(head))?;
    let mut outcome = Outcome::of(head.get(), started.elapsed()).with_peak()?;
    outcome.bytes = Some(books.close()?);
    Ok(outcome)
}
