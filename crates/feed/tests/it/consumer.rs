//! The thread around the follower, and what it shows over HTTP.

use crate::memory::{MemoryReader, MemorySink};
use feed::bus;
use feed::consumer::{self, ConsumerHandle, ConsumerOptions};
use feed::rest::{self, ConsumerView};
use feed::{Batch, BusState, Checkpoint, ConsumerState, DeadLetter, Sink, SinkError};
use journal::{JournalId, JournalReader, Page, Position, ReadError, Snapshot, SystemClock};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Far longer than anything here takes: a test that waits this long has failed.
const LONG: Duration = Duration::from_secs(20);

fn patient() -> ConsumerOptions {
    // Nothing here may happen by the timer.
    ConsumerOptions {
        poll_interval: LONG * 10,
        idle_interval: LONG * 10,
        ..Default::default()
    }
}

fn start(reader: &MemoryReader, sink: &MemorySink, options: ConsumerOptions) -> ConsumerHandle {
    consumer::spawn(
        sink.clone(),
        Arc::new(reader.clone()),
        Arc::new(SystemClock),
        options,
    )
    .unwrap()
}

fn id(number: u64) -> JournalId {
    JournalId::new(number)
}

#[tokio::test]
async fn a_signal_wakes_a_resting_consumer() {
    let (reader, sink) = (MemoryReader::new(), MemorySink::default());
    reader.with(|journal| journal.put(1, "a", 1));
    let consumer = start(&reader, &sink, patient());
    assert_eq!(
        consumer.wait_for(id(1), LONG).await,
        id(1),
        "what is there is applied at start"
    );
    reader.with(|journal| journal.put(1, "b", 1));
    consumer.signal();
    assert_eq!(consumer.wait_for(id(2), LONG).await, id(2));
    consumer.stop();
    assert!(consumer.stopped(LONG));
    assert_eq!(consumer.status().state, ConsumerState::Stopped);
}

#[tokio::test]
async fn the_timer_alone_is_enough() {
    let (reader, sink) = (MemoryReader::new(), MemorySink::default());
    let options = ConsumerOptions {
        poll_interval: Duration::from_millis(5),
        ..ConsumerOptions::default()
    };
    let consumer = start(&reader, &sink, options);
    reader.with(|journal| journal.put(1, "a", 1));
    assert_eq!(consumer.wait_for(id(1), LONG).await, id(1));
    consumer.stop();
    assert!(consumer.stopped(LONG));
}

#[tokio::test]
async fn the_inline_bus_signals_every_consumer() {
    let (reader, first, second) = (
        MemoryReader::new(),
        MemorySink::default(),
        MemorySink::default(),
    );
    let consumers = vec![
        start(&reader, &first, patient()),
        start(&reader, &second, patient()),
    ];
    let stop = CancellationToken::new();
    bus::inline::spawn(Arc::new(reader.clone()), consumers.clone(), stop.clone()).unwrap();
    for number in 1..=3 {
        reader.with(|journal| journal.put(1, "a", 1));
        for consumer in &consumers {
            assert_eq!(consumer.wait_for(id(number), LONG).await, id(number));
            assert_eq!(consumer.status().bus, BusState::Live);
        }
    }
    stop.cancel();
    consumers.iter().for_each(ConsumerHandle::stop);
}

#[tokio::test]
async fn waiting_for_an_entry_that_does_not_come_ends_with_the_timeout() {
    let (reader, sink) = (MemoryReader::new(), MemorySink::default());
    reader.with(|journal| journal.put(1, "a", 1));
    let consumer = start(&reader, &sink, patient());
    consumer.wait_for(id(1), LONG).await;
    assert_eq!(
        consumer.wait_for(id(2), Duration::from_millis(20)).await,
        id(1)
    );
    consumer.stop();
}

#[tokio::test]
async fn health_says_what_stands_still() {
    let (reader, sink) = (MemoryReader::new(), MemorySink::default());
    let options = ConsumerOptions {
        poll_interval: Duration::from_millis(5),
        ..ConsumerOptions::default()
    };
    let consumer = start(&reader, &sink, options);
    reader.with(|journal| journal.put(1, "a", 1));
    consumer.wait_for(id(1), LONG).await;
    let view = |stall_threshold| ConsumerView {
        consumer: Some(consumer.clone()),
        service: "metastore",
        is_inline: true,
        stall_threshold,
    };
    assert_eq!(view(LONG).health().status, rest::HealthStatus::Ok);

    // The journal goes away: what is not known to be current is not green for long.
    reader.with(|journal| journal.is_away = true);
    let threshold = Duration::from_millis(50);
    let health = testkit::wait_for("the consumer to be stalled", LONG, || {
        let health = view(threshold).health();
        match health.status {
            rest::HealthStatus::Stalled => Ok(health),
            other => Err(format!("{other:?}")),
        }
    });
    assert!(health.last_error.unwrap().contains("away"));
    assert!(health.retries.processing > 0);

    // Another journal halts it, with the reason.
    reader.with(|journal| *journal = crate::memory::MemoryJournal::new());
    testkit::wait_for("the consumer to halt", LONG, || {
        let health = view(LONG).health();
        match health.status {
            rest::HealthStatus::Error => Ok(health),
            other => Err(format!("{other:?}")),
        }
    });
    let error = consumer.status().last_error.unwrap();
    assert!(error.contains("rebuild the book"), "{error}");
    consumer.stop();
}

/// A service with nothing but a consumer, as metastore and timestore serve theirs.
async fn serve(view: ConsumerView, stop: CancellationToken) -> String {
    let layer = view.clone();
    let router = rest::router(view).layer(axum::middleware::from_fn(move |request, next| {
        rest::completeness(layer.clone(), request, next)
    }));
    let app = httpkit::App::new("metastore", "Test", router).into_router();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(httpkit::serve(listener, app, stop));
    format!("http://{address}")
}

#[tokio::test]
async fn rest_shows_health_and_settles_dead_letters() {
    let (reader, sink) = (MemoryReader::new(), MemorySink::default());
    sink.with(|store| store.poison = Some("bad".to_owned()));
    reader.with(|journal| {
        journal.put(1, "good", 1);
        journal.put(2, "bad", 1);
        journal.append("filestore.node.updated", None, "{}");
    });
    let consumer = start(&reader, &sink, patient());
    let view = ConsumerView {
        consumer: Some(consumer.clone()),
        service: "metastore",
        is_inline: true,
        stall_threshold: LONG,
    };
    let stop = CancellationToken::new();
    let base = serve(view, stop.clone()).await;
    let client = reqwest::Client::new();
    let get = |path: &str| client.get(format!("{base}{path}")).send();

    let response = get("/filestore/health?minJournalId=3&waitMs=20000")
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["tidemark-journal-id"], "3");
    assert_eq!(response.headers()["tidemark-dead-letters"], "2");
    let health: serde_json::Value = response.json().await.unwrap();
    assert_eq!(health["status"], "ok");
    assert_eq!(health["checkpoint"], 3);
    assert_eq!(health["lagEntries"], 0);
    assert_eq!(health["deadLetters"], 2);

    let response = get("/filestore/health?minJournalId=9&waitMs=10")
        .await
        .unwrap();
    assert_eq!(response.status(), 504);
    let problem: serde_json::Value = response.json().await.unwrap();
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("reached entry 3"),
        "{problem}"
    );
    assert_eq!(
        get("/filestore/health?minJournalId=x")
            .await
            .unwrap()
            .status(),
        400
    );

    let page: serde_json::Value = get("/filestore/dead-letters?limit=1")
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(page["deadLetters"][0]["journalId"], 2);
    assert!(
        page["deadLetters"][0]["reason"]
            .as_str()
            .unwrap()
            .contains("poison")
    );
    assert_eq!(page["nextAfter"], 2);
    let page: serde_json::Value = get("/filestore/dead-letters?after=2")
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(page["deadLetters"].as_array().unwrap().len(), 1);
    assert_eq!(page["nextAfter"], serde_json::Value::Null);

    let retry = |id: u64| {
        client
            .post(format!("{base}/filestore/dead-letters/{id}/retry"))
            .send()
    };
    assert_eq!(
        retry(2).await.unwrap().status(),
        409,
        "the cause is not gone"
    );
    sink.with(|store| store.poison = None);
    assert_eq!(retry(2).await.unwrap().status(), 204);
    assert_eq!(retry(2).await.unwrap().status(), 404);
    let discard = client
        .delete(format!("{base}/filestore/dead-letters/3"))
        .send()
        .await
        .unwrap();
    assert_eq!(discard.status(), 204);
    assert!(sink.committed().parked.is_empty());
    consumer.stop();
    stop.cancel();
}

#[tokio::test]
async fn a_disabled_sync_says_so() {
    let view = ConsumerView {
        consumer: None,
        service: "metastore",
        is_inline: true,
        stall_threshold: LONG,
    };
    let stop = CancellationToken::new();
    let base = serve(view, stop.clone()).await;
    let response = reqwest::get(format!("{base}/filestore/health"))
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let health: serde_json::Value = response.json().await.unwrap();
    assert_eq!(
        (&health["status"], &health["enabled"]),
        (&"disabled".into(), &false.into())
    );
    let response = reqwest::get(format!("{base}/filestore/dead-letters"))
        .await
        .unwrap();
    assert_eq!(response.status(), 404);
    stop.cancel();
}

/// A journal whose answers are under way for a while.
struct Late(MemoryReader, Duration);

impl JournalReader for Late {
    fn position(&self) -> Result<Position, ReadError> {
        self.0.position()
    }

    fn read(&self, after: JournalId, limit: usize) -> Result<Page, ReadError> {
        let page = self.0.read(after, limit);
        let asked_at = Instant::now();
        while let Some(left) = self.1.checked_sub(asked_at.elapsed()) {
            std::thread::park_timeout(left);
        }
        page
    }

    fn wait(&self, after: JournalId, timeout: Duration) -> Result<Position, ReadError> {
        self.0.wait(after, timeout)
    }

    fn snapshot(&self) -> Result<Snapshot<'_>, ReadError> {
        self.0.snapshot()
    }
}

#[test]
fn an_answer_that_came_late_proves_the_head_only_as_of_the_question() {
    let late = Duration::from_millis(60);
    let reader = Late(MemoryReader::new(), late);
    let mut consumer = consumer::Consumer::new(
        MemorySink::default(),
        Arc::new(reader),
        Arc::new(SystemClock),
        patient(),
    );
    consumer.turn();
    assert_eq!(consumer.handle().status().state, ConsumerState::Following);
    let stood_still = consumer.handle().stood_still_for();
    assert!(
        stood_still >= late,
        "{stood_still:?} is shorter than the answer took"
    );
}

/// A sink whose store keeps it for as long as the gate is closed.
struct Gated(MemorySink, Arc<AtomicBool>);

impl Sink for Gated {
    fn name(&self) -> &'static str {
        "metastore"
    }

    fn checkpoint(&mut self) -> Result<Option<Checkpoint>, SinkError> {
        self.0.checkpoint()
    }

    fn apply(&mut self, batch: &Batch<'_>) -> Result<(), SinkError> {
        while self.1.load(Ordering::SeqCst) {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        self.0.apply(batch)
    }

    fn load_snapshot(&mut self, snapshot: Snapshot<'_>) -> Result<(), SinkError> {
        self.0.load_snapshot(snapshot)
    }

    fn dead_letters(
        &mut self,
        after: JournalId,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, SinkError> {
        self.0.dead_letters(after, limit)
    }

    fn dead_letter_count(&mut self) -> Result<u64, SinkError> {
        self.0.dead_letter_count()
    }
}

/// The names in an object, sorted.
fn names(object: &Value) -> Vec<&str> {
    let mut names: Vec<_> = object
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    names.sort_unstable();
    names
}

/// Asks until the answer is as wanted.
async fn health_when(url: &str, wanted: impl Fn(u16, &Value) -> bool) -> Value {
    let began_at = Instant::now();
    loop {
        let response = reqwest::get(url).await.unwrap();
        let status = response.status().as_u16();
        let health: Value = response.json().await.unwrap();
        if wanted(status, &health) {
            return health;
        }
        assert!(began_at.elapsed() < LONG, "{status} {health}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn health_tells_the_head_and_that_it_stalls_while_a_store_keeps_the_sink() {
    let (reader, gate) = (MemoryReader::new(), Arc::new(AtomicBool::new(false)));
    reader.with(|journal| journal.put(1, "a", 1));
    let sink = Gated(MemorySink::default(), Arc::clone(&gate));
    let journal = Arc::new(reader.clone());
    let consumer = consumer::spawn(sink, journal, Arc::new(SystemClock), patient()).unwrap();
    consumer.wait_for(id(1), LONG).await;
    let view = ConsumerView {
        consumer: Some(consumer.clone()),
        service: "metastore",
        is_inline: true,
        stall_threshold: Duration::from_millis(100),
    };
    let stop = CancellationToken::new();
    let url = format!("{}/filestore/health", serve(view, stop.clone()).await);

    gate.store(true, Ordering::SeqCst);
    reader.with(|journal| journal.put(1, "b", 1));
    consumer.signal();
    // The batch in hand is entry 2; what comes now the consumer's own thread does not see.
    health_when(&url, |_, health| health["head"] == 2).await;
    reader.with(|journal| journal.put(1, "c", 1));
    let health = health_when(&url, |status, health| status == 503 && health["head"] == 3).await;
    assert_eq!(health["status"], "stalled");
    assert_eq!(health["checkpoint"], 1);
    assert_eq!(health["lagEntries"], 2);
    assert!(health["lagSeconds"].as_f64() > Some(0.1), "{health}");

    gate.store(false, Ordering::SeqCst);
    consumer.wait_for(id(2), LONG).await;
    consumer.signal();
    assert_eq!(consumer.wait_for(id(3), LONG).await, id(3));
    consumer.stop();
    stop.cancel();
}

#[tokio::test]
async fn health_has_the_fields_of_the_contract_and_no_others() {
    let (reader, sink) = (MemoryReader::new(), MemorySink::default());
    let consumer = start(&reader, &sink, patient());
    let view = |consumer| ConsumerView {
        consumer,
        service: "metastore",
        is_inline: true,
        stall_threshold: LONG,
    };
    let stop = CancellationToken::new();
    let base = serve(view(Some(consumer.clone())), stop.clone()).await;
    let url = format!("{base}/filestore/health");
    let fields = [
        "applied",
        "bus",
        "checkpoint",
        "connected",
        "deadLetters",
        "digest",
        "enabled",
        "epoch",
        "head",
        "inline",
        "lagEntries",
        "lagSeconds",
        "lastError",
        "lastEvent",
        "rebuild",
        "retries",
        "state",
        "status",
        "thresholdSeconds",
    ];

    // Before the first entry.
    let health = health_when(&url, |_, health| health["epoch"].is_string()).await;
    assert_eq!(names(&health), fields);
    assert_eq!(health["lastEvent"], Value::Null);
    assert_eq!(
        (&health["checkpoint"], &health["head"]),
        (&0.into(), &0.into())
    );

    reader.with(|journal| journal.put(1, "a", 1));
    consumer.signal();
    consumer.wait_for(id(1), LONG).await;
    consumer.set_bus("inline", BusState::Live);
    consumer.heartbeat();
    let health = health_when(&url, |status, _| status == 200).await;
    assert_eq!(names(&health), fields);
    let journal = reader.with(|journal| (journal.epoch.to_string(), journal.entries[0].digest));
    let expected = serde_json::json!({
        "status": "ok", "enabled": true, "connected": true, "inline": true, "state": "following",
        "thresholdSeconds": LONG.as_secs_f64(), "lagSeconds": 0.0, "lagEntries": 0,
        "lastError": null, "checkpoint": 1, "head": 1, "digest": journal.1.to_string(),
        "epoch": journal.0, "deadLetters": 0, "applied": 1, "rebuild": null,
        "retries": {"connect": 0, "processing": 0, "total": 0},
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&health[name], value, "{name}");
    }
    let event = &health["lastEvent"];
    assert_eq!(names(event), ["observedAt", "receivedAt", "type"]);
    assert_eq!(event["type"], "filestore.node.updated");
    assert_eq!(event["observedAt"], "2026-03-01T12:00:00.000Z");
    let is_time = |value: &Value| {
        let text = value.as_str().unwrap_or_default();
        text.ends_with('Z') && text.parse::<journal::Time>().is_ok()
    };
    assert!(is_time(&event["receivedAt"]), "{event}");
    let bus = &health["bus"];
    assert_eq!(names(bus), ["lastHeartbeatAt", "mode", "state"]);
    assert_eq!(
        (&bus["mode"], &bus["state"]),
        (&"inline".into(), &"live".into())
    );
    assert!(is_time(&bus["lastHeartbeatAt"]), "{bus}");

    // What is tried again is counted by kind.
    consumer.count_connect_retry();
    reader.with(|journal| journal.is_away = true);
    consumer.signal();
    let health = health_when(&url, |_, health| health["retries"]["processing"] == 1).await;
    let retries = serde_json::json!({"connect": 1, "processing": 1, "total": 2});
    assert_eq!(health["retries"], retries);
    assert_eq!(health["state"], "retrying");
    assert!(health["lastError"].as_str().unwrap().contains("away"));

    // The same where the sync is switched off.
    let base = serve(view(None), stop.clone()).await;
    let url = format!("{base}/filestore/health");
    let health = health_when(&url, |status, _| status == 200).await;
    assert_eq!(names(&health), fields);
    assert_eq!(health["status"], "disabled");
    consumer.stop();
    stop.cancel();
}
