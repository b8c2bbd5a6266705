//! The bus between processes without Redis: a thread that long-polls the journal.

use crate::consumer::{Backoff, ConsumerHandle};
use crate::{BusState, SharedReader};
use journal::JournalId;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long the journal's server holds one poll. Short enough that a server that went away is
/// noticed, long enough that an idle consumer costs nothing.
const WAIT: Duration = Duration::from_secs(10);

/// Signals the consumer whenever the journal's head moves, until `stop`.
///
/// # Errors
/// The thread cannot be started.
pub fn spawn(
    reader: SharedReader,
    consumer: ConsumerHandle,
    stop: CancellationToken,
) -> std::io::Result<()> {
    std::thread::Builder::new()
        .name(format!("bus-poll-{}", consumer.name()))
        .spawn(move || {
            let mut seen = JournalId::ZERO;
            let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
            let mut is_live = false;
            while !stop.is_cancelled() {
                match reader.wait(seen, WAIT) {
                    Ok(position) => {
                        backoff.reset();
                        consumer.set_bus("poll", BusState::Live);
                        consumer.heartbeat();
                        if !std::mem::replace(&mut is_live, true) {
                            tracing::info!(sink = consumer.name(), "journal answers long polls");
                        }
                        if position.head != seen {
                            seen = position.head;
                            consumer.signal();
                        }
                    }
                    Err(error) => {
                        consumer.set_bus("poll", BusState::Lost);
                        consumer.count_connect_retry();
                        if std::mem::replace(&mut is_live, false) {
                            let error: &dyn std::error::Error = &error;
                            tracing::warn!(
                                sink = consumer.name(),
                                error,
                                "journal is out of reach"
                            );
                        }
                        if pause(&stop, backoff.next_delay()) {
                            return;
                        }
                    }
                }
            }
        })?;
    Ok(())
}

/// Waits on a thread; whether the token was cancelled meanwhile.
pub(crate) fn pause(stop: &CancellationToken, time: Duration) -> bool {
    const TICK: Duration = Duration::from_millis(50);
    let mut left = time;
    while !stop.is_cancelled() && !left.is_zero() {
        let tick = left.min(TICK);
        std::thread::park_timeout(tick);
        left = left.saturating_sub(tick);
    }
    stop.is_cancelled()
}
