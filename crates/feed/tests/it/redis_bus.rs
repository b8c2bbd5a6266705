//! The Redis bus on a real server, and every shape in which it fails. In each shape the consumer
//! must end where the journal says; the bus only decides how soon.

use feed::bus::redis::{self, Server, Timing, TlsFiles};
use feed::consumer::{self, ConsumerHandle, ConsumerOptions};
use feed::memory::{MemoryReader, MemorySink};
use feed::{BusState, SharedReader, publisher};
use journal::{JournalId, JournalReader, Page, Position, ReadError, Snapshot, SystemClock};
use process::Task;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use testkit::{RedisServer, TcpProxy, wait_for, wait_for_async};
use tokio_util::sync::CancellationToken;

pub(crate) const LONG: Duration = Duration::from_secs(30);
pub(crate) const CHANNEL: &str = "apphub:filestore";

fn quick() -> Timing {
    Timing {
        connect_timeout: Duration::from_millis(500),
        heartbeat_interval: Duration::from_millis(50),
        silent_after: Duration::from_millis(300),
        retry_first: Duration::from_millis(10),
        retry_longest: Duration::from_millis(100),
    }
}

/// The server of a URL, without TLS files.
pub(crate) fn server(url: &str) -> Server {
    Server::open(&url.parse().unwrap(), &TlsFiles::default()).unwrap()
}

/// Publisher, session and consumer on one journal.
pub(crate) struct Deployment {
    reader: MemoryReader,
    sink: MemorySink,
    pub(crate) consumer: ConsumerHandle,
    stop: CancellationToken,
    _publisher: Task,
}

impl Deployment {
    /// `poll_interval` is how soon the consumer looks without the bus.
    fn start(subscriber_url: &str, publisher_url: &str, poll_interval: Duration) -> Self {
        let servers = [server(subscriber_url), server(publisher_url)];
        Self::on(CHANNEL, servers, poll_interval)
    }

    /// On a channel; where it subscribes, and where it publishes.
    pub(crate) fn on(channel: &str, servers: [Server; 2], poll_interval: Duration) -> Self {
        let reader = MemoryReader::new();
        let published = Arc::new(reader.clone());
        Self::publishing(channel, reader, published, servers, poll_interval)
    }

    /// The same, where the publisher reads the journal by a reader of its own.
    fn publishing(
        channel: &str,
        reader: MemoryReader,
        published: SharedReader,
        [subscriber, publisher]: [Server; 2],
        poll_interval: Duration,
    ) -> Self {
        let sink = MemorySink::default();
        let stop = CancellationToken::new();
        let options = ConsumerOptions {
            poll_interval,
            idle_interval: LONG * 10,
            ..Default::default()
        };
        let shared = Arc::new(reader.clone());
        let clock = Arc::new(SystemClock);
        let consumer = consumer::spawn(sink.clone(), shared, clock, options).unwrap();
        let channel = channel.to_owned();
        let publisher = publisher::spawn(published, publisher, channel.clone(), quick()).unwrap();
        tokio::spawn(redis::run(
            subscriber,
            channel,
            vec![consumer.clone()],
            quick(),
            stop.clone(),
        ));
        Self {
            reader,
            sink,
            consumer,
            stop,
            _publisher: publisher,
        }
    }

    pub(crate) async fn is(&self, state: BusState) {
        wait_for_async(&format!("the bus to be {state:?}"), LONG, async || {
            let status = self.consumer.status();
            if status.bus == state {
                Ok(())
            } else {
                Err(format!("{:?}", status.bus))
            }
        })
        .await;
    }

    pub(crate) fn commit(&self, entries: i64) -> JournalId {
        self.reader.with(|journal| {
            for node in 0..entries {
                journal.put(node, "a", node);
            }
            journal.head()
        })
    }

    /// Everything committed so far is applied, once.
    pub(crate) async fn is_complete(&self) {
        let head = self.reader.with(|journal| journal.head());
        assert_eq!(
            self.consumer.wait_for(head, LONG).await,
            head,
            "{:?}",
            self.consumer.status()
        );
        let committed = self.sink.committed();
        assert_eq!(
            committed.book,
            self.reader.with(|journal| journal.fold(head, &[]))
        );
        assert!(committed.effects.values().all(|count| *count == 1));
        assert_eq!(committed.effects.len() as u64, head.get());
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        self.stop.cancel();
        self.consumer.stop();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_published_entry_wakes_a_consumer_that_would_sleep() {
    let server = RedisServer::start();
    let bus = Deployment::start(&server.url(), &server.url(), LONG * 10);
    bus.is(BusState::Live).await;
    for _ in 0..3 {
        bus.commit(5);
        bus.is_complete().await;
    }
    assert_eq!(bus.consumer.status().bus_mode, "redis");
    assert!(bus.consumer.status().last_heartbeat_at.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_go_on_from_the_journal_while_redis_is_stopped() {
    let mut server = RedisServer::start();
    let bus = Deployment::start(&server.url(), &server.url(), Duration::from_millis(20));
    bus.is(BusState::Live).await;
    server.stop();
    bus.is(BusState::Lost).await;
    bus.commit(100);
    bus.is_complete().await;
    assert!(bus.consumer.status().connect_retries > 0);
    server.start_again();
    bus.is(BusState::Live).await;
    bus.commit(100);
    bus.is_complete().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_down_at_start_is_found_when_it_comes() {
    let mut server = RedisServer::start();
    server.stop();
    let redis = self::server(&server.url());
    let error = redis::check(&redis, CHANNEL, true, LONG).await.unwrap_err();
    assert!(
        error.to_string().contains("cannot be reached"),
        "the check at start says so: {error}"
    );
    let bus = Deployment::start(&server.url(), &server.url(), Duration::from_millis(20));
    bus.commit(10);
    bus.is_complete().await;
    assert_ne!(bus.consumer.status().bus, BusState::Live);
    server.start_again();
    bus.is(BusState::Live).await;
    for listens in [true, false] {
        redis::check(&redis, CHANNEL, listens, LONG).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_open_connection_is_silent_not_live() {
    let mut server = RedisServer::start();
    let bus = Deployment::start(&server.url(), &server.url(), Duration::from_millis(20));
    bus.is(BusState::Live).await;
    server.pause();
    wait_for("the bus to leave live", LONG, || {
        bus.consumer.status().bus != BusState::Live
    });
    bus.commit(100);
    bus.is_complete().await;
    server.resume();
    bus.is(BusState::Live).await;
    bus.commit(1);
    bus.is_complete().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_subscription_is_begun_again() {
    let server = RedisServer::start();
    let bus = Deployment::start(&server.url(), &server.url(), LONG * 10);
    bus.is(BusState::Live).await;
    for _ in 0..3 {
        let retries = bus.consumer.status().connect_retries;
        assert!(server.client_kill_pubsub() > 0);
        wait_for("the session to be begun again", LONG, || {
            bus.consumer.status().connect_retries > retries
        });
        bus.commit(10);
        bus.is(BusState::Live).await;
        bus.is_complete().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_cuts_within_a_frame_loses_nothing() {
    let server = RedisServer::start();
    let proxy = TcpProxy::start(server.address());
    let url = format!("redis://{}", proxy.address());
    let bus = Deployment::start(&url, &server.url(), Duration::from_millis(50));
    bus.is(BusState::Live).await;
    for bytes in [1, 7, 100, 1000] {
        proxy.cut_after(bytes);
        bus.commit(50);
        bus.is_complete().await;
        proxy.heal();
        bus.is(BusState::Live).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_stalls_is_not_live() {
    let server = RedisServer::start();
    let proxy = TcpProxy::start(server.address());
    let url = format!("redis://{}", proxy.address());
    let bus = Deployment::start(&url, &server.url(), Duration::from_millis(50));
    bus.is(BusState::Live).await;
    // The connections stand, and nothing comes through them any more.
    proxy.stall();
    wait_for("the bus to leave live", LONG, || {
        bus.consumer.status().bus != BusState::Live
    });
    bus.commit(50);
    bus.is_complete().await;
    proxy.heal();
    bus.is(BusState::Live).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_is_silent_is_noticed_by_its_heartbeat() {
    let server = RedisServer::start();
    let proxy = TcpProxy::start(server.address());
    let url = format!("redis://{}", proxy.address());
    let bus = Deployment::start(&url, &server.url(), Duration::from_millis(50));
    bus.is(BusState::Live).await;
    // Redis takes every heartbeat and answers every command; only the subscription says nothing.
    proxy.swallow(b":heartbeat:");
    bus.is(BusState::Silent).await;
    bus.commit(50);
    bus.is_complete().await;
    proxy.heal();
    bus.is(BusState::Live).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_stands_is_not_live_before_a_heartbeat_came_back() {
    let server = RedisServer::start();
    let proxy = TcpProxy::start(server.address());
    let url = format!("redis://{}", proxy.address());
    // Connecting, subscribing and publishing are answered; no message ever arrives.
    proxy.swallow(b"\r\nbeat\r\n");
    let bus = Deployment::start(&url, &server.url(), Duration::from_millis(50));
    bus.is(BusState::Silent).await;
    assert_eq!(bus.consumer.status().last_heartbeat_at, None);
    bus.commit(50);
    bus.is_complete().await;
    proxy.heal();
    bus.is(BusState::Live).await;
    assert!(bus.consumer.status().last_heartbeat_at.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_cannot_publish_only_costs_time() {
    let server = RedisServer::start();
    let proxy = TcpProxy::start(server.address());
    let publisher_url = format!("redis://{}", proxy.address());
    let reader_poll = Duration::from_millis(50);
    let bus = Deployment::start(&server.url(), &publisher_url, reader_poll);
    bus.is(BusState::Live).await;
    proxy.refuse();
    proxy.cut();
    bus.commit(50);
    // The bus is live, so the consumer sleeps until it is told: by the next entry published.
    proxy.heal();
    bus.is_complete().await;
}

/// A journal whose position a publisher's own thread learns only once it is let go.
struct SlowStart {
    journal: MemoryReader,
    let_go: Arc<OnceLock<()>>,
}

impl JournalReader for SlowStart {
    fn position(&self) -> Result<Position, ReadError> {
        if std::thread::current().name() == Some("publisher") {
            self.let_go.wait();
        }
        self.journal.position()
    }

    fn read(&self, after: JournalId, limit: usize) -> Result<Page, ReadError> {
        self.journal.read(after, limit)
    }

    fn wait(&self, after: JournalId, timeout: Duration) -> Result<Position, ReadError> {
        self.journal.wait(after, timeout)
    }

    fn snapshot(&self) -> Result<Snapshot<'_>, ReadError> {
        self.journal.snapshot()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_committed_before_the_publishers_thread_runs_is_published() {
    let server = RedisServer::start();
    let (journal, let_go) = (MemoryReader::new(), Arc::default());
    let slow = Arc::new(SlowStart {
        journal: journal.clone(),
        let_go: Arc::clone(&let_go),
    });
    let servers = [self::server(&server.url()), self::server(&server.url())];
    let bus = Deployment::publishing(CHANNEL, journal, slow, servers, LONG * 10);
    bus.is(BusState::Live).await;
    bus.commit(10);
    let_go.set(()).unwrap();
    bus.is_complete().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_restarted_empty_is_subscribed_to_again() {
    let mut server = RedisServer::start();
    let bus = Deployment::start(&server.url(), &server.url(), LONG * 10);
    bus.is(BusState::Live).await;
    server.kill();
    bus.commit(10);
    server.start_again();
    bus.is(BusState::Live).await;
    bus.is_complete().await;
    bus.commit(10);
    bus.is_complete().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn doubled_and_foreign_messages_change_nothing() {
    let server = RedisServer::start();
    let bus = Deployment::start(&server.url(), &server.url(), LONG * 10);
    bus.is(BusState::Live).await;
    bus.commit(10);
    for message in [
        "",
        "not json",
        r#"{"journalId":999999,"event":{"type":"x","data":{}}}"#,
    ] {
        server.publish(CHANNEL, message);
        server.publish(CHANNEL, message);
    }
    bus.is_complete().await;
}
