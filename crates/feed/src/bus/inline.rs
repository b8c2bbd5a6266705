//! The bus within one process: a thread that waits for the journal's head to move and signals
//! every consumer.

use crate::consumer::ConsumerHandle;
use crate::{BusState, SharedReader};
use journal::JournalId;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long one wait for the head lasts, so that a stop is seen.
const WAIT: Duration = Duration::from_millis(500);

/// Signals the consumers whenever the head moves, until `stop`.
///
/// # Errors
/// The thread cannot be started.
pub fn spawn(
    reader: SharedReader,
    consumers: Vec<ConsumerHandle>,
    stop: CancellationToken,
) -> std::io::Result<()> {
    for consumer in &consumers {
        consumer.set_bus("inline", BusState::Live);
    }
    std::thread::Builder::new()
        .name("bus-inline".to_owned())
        .spawn(move || {
            let mut seen = JournalId::ZERO;
            while !stop.is_cancelled() {
                // A journal that cannot be read is the consumers' to report.
                let Ok(position) = reader.wait(seen, WAIT) else {
                    if crate::bus::poll::pause(&stop, WAIT) {
                        return;
                    }
                    continue;
                };
                if position.head != seen {
                    seen = position.head;
                    consumers.iter().for_each(ConsumerHandle::signal);
                } else {
                    consumers.iter().for_each(ConsumerHandle::heartbeat);
                }
            }
        })?;
    Ok(())
}
