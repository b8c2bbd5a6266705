//! The bus over Redis pub/sub: one session a process.
//!
//! The session subscribes to the events' channel and to a heartbeat channel of its own, and
//! publishes a heartbeat to the latter over a second connection. Only a heartbeat that comes back
//! through the subscription makes the bus live; "connected" says nothing, since a half-open
//! connection is connected too. A session whose heartbeats stay away is silent, is torn down, and
//! is begun again with a backoff that only a heartbeat resets.
//!
//! The connection manager of the `redis` crate is deliberately not used: it subscribes again by
//! itself and so hides the gap in which messages were lost.

use crate::BusState;
use crate::consumer::{Backoff, ConsumerHandle};
use futures::StreamExt;
use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The session's times.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// How long connecting and subscribing may take.
    pub connect_timeout: Duration,
    /// How often a heartbeat is sent.
    pub heartbeat_interval: Duration,
    /// After how long without a heartbeat the bus is silent and the session begun again.
    pub silent_after: Duration,
    /// The first delay before connecting again.
    pub retry_first: Duration,
    /// The longest.
    pub retry_longest: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(2),
            heartbeat_interval: Duration::from_secs(1),
            silent_after: Duration::from_secs(4),
            retry_first: Duration::from_millis(100),
            retry_longest: Duration::from_secs(5),
        }
    }
}

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// Redis refused, or the connection broke.
    #[error("the connection to Redis failed")]
    Redis(#[from] redis::RedisError),
    /// Connecting or sending took too long.
    #[error("Redis did not answer within {0:?}")]
    Timeout(Duration),
    /// The subscription ended.
    #[error("Redis closed the subscription")]
    Closed,
    /// No heartbeat came back.
    #[error("no heartbeat has come back for {0:?}")]
    Silent(Duration),
}

/// Whether Redis answers a `PING` within `timeout`: for the check at start.
///
/// # Errors
/// It does not.
pub async fn ping(url: &str, timeout: Duration) -> Result<(), SessionError> {
    let client = redis::Client::open(url)?;
    let mut connection = within(timeout, client.get_multiplexed_async_connection()).await?;
    within(timeout, connection.ping::<()>()).await
}

/// Signals the consumers for every message on `channel`, until `stop`. Returns only then.
pub async fn run(
    url: String,
    channel: String,
    consumers: Vec<ConsumerHandle>,
    timing: Timing,
    stop: CancellationToken,
) {
    let mut session = Session {
        heartbeat_channel: format!("{channel}:heartbeat:{}", Uuid::new_v4()),
        url,
        channel,
        consumers,
        timing,
        backoff: Backoff::new(timing.retry_first, timing.retry_longest),
        is_live: false,
    };
    session.set_state(BusState::Lost);
    loop {
        let ended = tokio::select! {
            () = stop.cancelled() => return,
            ended = session.follow() => ended,
        };
        let Err(error) = ended;
        let was_live = std::mem::replace(&mut session.is_live, false);
        let state = match error {
            SessionError::Silent(_) => BusState::Silent,
            _ => BusState::Lost,
        };
        session.set_state(state);
        let delay = session.backoff.next_delay();
        report(&error, was_live, state, delay);
        session
            .consumers
            .iter()
            .for_each(ConsumerHandle::count_connect_retry);
        // What was published while nobody listened is in the journal.
        session.signal();
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(delay) => {}
        }
    }
}

/// Says once that the bus is not live, whatever the number of tries that follow.
fn report(error: &SessionError, was_live: bool, state: BusState, delay: Duration) {
    let error: &dyn std::error::Error = error;
    if was_live {
        tracing::warn!(
            error,
            ?state,
            "bus is not live, consumers poll the journal meanwhile"
        );
    } else {
        let delay_ms = delay.as_millis();
        tracing::debug!(error, delay_ms, "bus is still not live");
    }
}

struct Session {
    url: String,
    channel: String,
    heartbeat_channel: String,
    consumers: Vec<ConsumerHandle>,
    timing: Timing,
    backoff: Backoff,
    is_live: bool,
}

impl Session {
    fn set_state(&self, state: BusState) {
        self.consumers
            .iter()
            .for_each(|consumer| consumer.set_bus("redis", state));
    }

    fn signal(&self) {
        self.consumers.iter().for_each(ConsumerHandle::signal);
    }

    async fn follow(&mut self) -> Result<std::convert::Infallible, SessionError> {
        let timeout = self.timing.connect_timeout;
        let client = redis::Client::open(self.url.as_str())?;
        let mut pubsub = within(timeout, client.get_async_pubsub()).await?;
        within(timeout, pubsub.subscribe(&self.channel)).await?;
        within(timeout, pubsub.subscribe(&self.heartbeat_channel)).await?;
        let mut prober = within(timeout, client.get_multiplexed_async_connection()).await?;
        // Whatever was published before the subscription stood is in the journal.
        self.signal();
        let mut messages = pubsub.into_on_message();
        let mut ticks = tokio::time::interval(self.timing.heartbeat_interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut heard_at = Instant::now();
        loop {
            tokio::select! {
                message = messages.next() => {
                    let message = message.ok_or(SessionError::Closed)?;
                    if message.get_channel_name() == self.heartbeat_channel {
                        heard_at = Instant::now();
                        self.heard();
                    } else {
                        self.signal();
                    }
                }
                _ = ticks.tick() => {
                    if heard_at.elapsed() >= self.timing.silent_after {
                        return Err(SessionError::Silent(heard_at.elapsed()));
                    }
                    self.probe(&mut prober).await?;
                }
            }
        }
    }

    async fn probe(&self, connection: &mut MultiplexedConnection) -> Result<(), SessionError> {
        within(
            self.timing.connect_timeout,
            connection.publish(&self.heartbeat_channel, "beat"),
        )
        .await
    }

    fn heard(&mut self) {
        self.backoff.reset();
        self.consumers.iter().for_each(ConsumerHandle::heartbeat);
        if !std::mem::replace(&mut self.is_live, true) {
            self.set_state(BusState::Live);
            tracing::info!(channel = self.channel, "bus is live");
            self.signal();
        }
    }
}

async fn within<T>(
    timeout: Duration,
    future: impl Future<Output = redis::RedisResult<T>>,
) -> Result<T, SessionError> {
    match tokio::time::timeout(timeout, future).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(SessionError::Timeout(timeout)),
    }
}
