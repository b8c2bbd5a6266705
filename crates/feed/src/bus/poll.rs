//! The bus between processes without Redis: a thread that long-polls the journal.

use crate::consumer::{Backoff, ConsumerHandle};
use crate::{BusState, SharedReader};
use journal::JournalId;
use process::{Stop, Task};
use std::time::Duration;

/// How long the journal's server holds one poll. Short enough that a server that went away is
/// noticed, long enough that an idle consumer costs nothing.
const WAIT: Duration = Duration::from_secs(10);

/// Signals the consumer whenever the journal's head moves. A reader over HTTP must end its wait
/// when the process stops ([`HttpJournalReader::until`](crate::HttpJournalReader::until)).
///
/// # Errors
/// The thread cannot be started.
pub fn spawn(reader: SharedReader, consumer: ConsumerHandle) -> std::io::Result<Task> {
    let name = format!("bus-poll-{}", consumer.name());
    Task::spawn(name, move |stop| run(&reader, &consumer, stop))
}

fn run(reader: &SharedReader, consumer: &ConsumerHandle, stop: &Stop) {
    let sink = consumer.name();
    let mut seen = JournalId::ZERO;
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
    let mut is_live = false;
    while !stop.is_set() {
        match reader.wait(seen, WAIT) {
            Ok(position) => {
                backoff.reset();
                consumer.set_bus("poll", BusState::Live);
                consumer.heartbeat();
                if !std::mem::replace(&mut is_live, true) {
                    tracing::info!(sink, "journal answers long polls");
                }
                if position.head != seen {
                    seen = position.head;
                    consumer.signal();
                }
            }
            Err(_) if stop.is_set() => return,
            Err(error) => {
                consumer.set_bus("poll", BusState::Lost);
                consumer.count_connect_retry();
                if std::mem::replace(&mut is_live, false) {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(sink, error, "journal is out of reach");
                }
                if stop.wait(backoff.next_delay()) {
                    return;
                }
            }
        }
    }
}
