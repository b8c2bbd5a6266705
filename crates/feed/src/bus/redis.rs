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

mod server;

pub(crate) use server::Asked;
pub use server::{OpenError, Server, SessionError, TlsFiles};

use crate::BusState;
use crate::consumer::{Backoff, ConsumerHandle};
use futures::StreamExt;
use process::Chain;
use redis::AsyncCommands;
use redis::aio::{MultiplexedConnection, PubSub};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// What stands between the events' channel and the end of a heartbeat's channel.
const HEARTBEAT: &str = ":heartbeat:";

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

/// Checks at start what a session will need: with `listens`, that a heartbeat comes back through a
/// subscription; otherwise that the server answers.
///
/// # Errors
/// What keeps a session from working.
pub async fn check(
    server: &Server,
    channel: &str,
    listens: bool,
    timeout: Duration,
) -> Result<(), SessionError> {
    if !listens {
        let mut connection = server.connection(timeout).await?;
        let pinged = connection.ping::<()>();
        return match server.within(timeout, Asked::Connect, pinged).await {
            // It answers, and a publisher sends no PING.
            Err(SessionError::NotAllowed { .. }) => Ok(()),
            other => other,
        };
    }
    let heartbeats = heartbeat_channel(channel);
    let (subscriber, mut prober) = subscribe(server, channel, &heartbeats, timeout).await?;
    let mut messages = subscriber.into_on_message();
    probe(server, &mut prober, &heartbeats, timeout).await?;
    let came_back = async {
        while let Some(message) = messages.next().await {
            if message.get_channel_name() == heartbeats {
                return Ok(());
            }
        }
        Err(SessionError::Closed)
    };
    tokio::time::timeout(timeout, came_back)
        .await
        .unwrap_or(Err(SessionError::Silent(timeout)))
}

/// Signals the consumers for every message on `channel`, until `stop`. Returns only then.
pub async fn run(
    server: Server,
    channel: String,
    consumers: Vec<ConsumerHandle>,
    timing: Timing,
    stop: CancellationToken,
) {
    let mut session = Session {
        heartbeat_channel: heartbeat_channel(&channel),
        server,
        channel,
        consumers,
        timing,
        backoff: Backoff::new(timing.retry_first, timing.retry_longest),
        is_live: false,
        told: None,
    };
    session.set_state(BusState::Lost);
    loop {
        let ended = tokio::select! {
            () = stop.cancelled() => return,
            ended = session.follow() => ended,
        };
        let Err(error) = ended;
        session.is_live = false;
        let delay = session.backoff.next_delay();
        session.ended(&error, delay);
        // What was published while nobody listened is in the journal.
        session.signal();
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(delay) => {}
        }
    }
}

struct Session {
    server: Server,
    channel: String,
    heartbeat_channel: String,
    consumers: Vec<ConsumerHandle>,
    timing: Timing,
    backoff: Backoff,
    is_live: bool,
    /// Why it is not live, as it was logged last.
    told: Option<String>,
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

    /// Says why the bus is not live: once, and again if the reason is another one, whatever the
    /// number of tries.
    fn ended(&mut self, error: &SessionError, delay: Duration) {
        let state = match error {
            SessionError::Silent(_) => BusState::Silent,
            _ => BusState::Lost,
        };
        self.set_state(state);
        let reason = Chain(error).to_string();
        let delay_ms = delay.as_millis();
        if self.told.as_ref() == Some(&reason) {
            tracing::debug!(error = reason, delay_ms, "bus is still not live");
        } else {
            tracing::warn!(
                error = reason,
                ?state,
                "bus is not live, consumers poll the journal meanwhile"
            );
        }
        for consumer in &self.consumers {
            consumer.set_bus_error(Some(reason.clone()));
            consumer.count_connect_retry();
        }
        self.told = Some(reason);
    }

    async fn follow(&mut self) -> Result<std::convert::Infallible, SessionError> {
        let timeout = self.timing.connect_timeout;
        let (channel, heartbeats) = (&self.channel, &self.heartbeat_channel);
        let (subscriber, mut prober) =
            subscribe(&self.server, channel, heartbeats, timeout).await?;
        // Whatever was published before the subscription stood is in the journal.
        self.signal();
        let mut messages = subscriber.into_on_message();
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
                    probe(&self.server, &mut prober, &self.heartbeat_channel, timeout).await?;
                }
            }
        }
    }

    fn heard(&mut self) {
        self.backoff.reset();
        self.consumers.iter().for_each(ConsumerHandle::heartbeat);
        if !std::mem::replace(&mut self.is_live, true) {
            self.told = None;
            self.set_state(BusState::Live);
            self.consumers
                .iter()
                .for_each(|consumer| consumer.set_bus_error(None));
            tracing::info!(channel = self.channel, "bus is live");
            self.signal();
        }
    }
}

fn heartbeat_channel(channel: &str) -> String {
    format!("{channel}{HEARTBEAT}{}", Uuid::new_v4())
}

/// A subscription to both channels, and the connection that heartbeats are sent through.
async fn subscribe(
    server: &Server,
    channel: &str,
    heartbeats: &str,
    timeout: Duration,
) -> Result<(PubSub, MultiplexedConnection), SessionError> {
    let mut subscriber = server.subscriber(timeout).await?;
    for channel in [channel, heartbeats] {
        let subscribed = subscriber.subscribe(channel);
        let asked = Asked::Subscribe(channel);
        server.within(timeout, asked, subscribed).await?;
    }
    let prober = server.connection(timeout).await?;
    Ok((subscriber, prober))
}

async fn probe(
    server: &Server,
    prober: &mut MultiplexedConnection,
    heartbeats: &str,
    timeout: Duration,
) -> Result<(), SessionError> {
    let published = prober.publish::<_, _, ()>(heartbeats, "beat");
    let asked = Asked::Publish(heartbeats);
    server.within(timeout, asked, published).await
}
