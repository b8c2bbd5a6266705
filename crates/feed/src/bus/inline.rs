//! The bus within one process: a thread that waits for the journal's head to move and signals
//! every consumer.

use crate::consumer::ConsumerHandle;
use crate::{BusState, SharedReader};
use journal::JournalId;
use process::{Stop, Task};
use std::time::Duration;

/// How long one wait for the head lasts, so that a stop is seen.
const WAIT: Duration = Duration::from_millis(200);

/// Signals the consumers whenever the head moves.
///
/// # Errors
/// The thread cannot be started.
pub fn spawn(reader: SharedReader, consumers: Vec<ConsumerHandle>) -> std::io::Result<Task> {
    for consumer in &consumers {
        consumer.set_bus("inline", BusState::Live);
    }
    Task::spawn("bus-inline", move |stop| run(&reader, &consumers, stop))
}

fn run(reader: &SharedReader, consumers: &[ConsumerHandle], stop: &Stop) {
    let mut seen = JournalId::ZERO;
    while !stop.is_set() {
        match reader.wait(seen, WAIT) {
            Ok(position) if position.head == seen => {
                consumers.iter().for_each(ConsumerHandle::heartbeat);
            }
            Ok(position) => {
                seen = position.head;
                consumers.iter().for_each(ConsumerHandle::signal);
            }
            // A journal that cannot be read is the consumers' to report.
            Err(_) if stop.wait(WAIT) => return,
            Err(_) => {}
        }
    }
}
