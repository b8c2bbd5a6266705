//! What `GET /filestore/health` says, and when.

use crate::consumer::{LONG, id, patient, serve, start};
use feed::consumer;
use feed::memory::{MemoryReader, MemorySink};
use feed::rest::ConsumerView;
use feed::{Batch, BusState, Checkpoint, ConsumerState, DeadLetter, Sink, SinkError};
use journal::{JournalId, JournalReader, Page, Position, ReadError, Snapshot, SystemClock};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use testkit::{wait_for, wait_for_async};
use tokio_util::sync::CancellationToken;

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
        wait_for("the gate to open", LONG, || !self.1.load(Ordering::SeqCst));
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
async fn health_when(url: &str, wanted: impl Fn(u16, &Value) -> bool + Send + Sync) -> Value {
    wait_for_async("the health that is wanted", LONG, async || {
        let response = reqwest::get(url).await.unwrap();
        let status = response.status().as_u16();
        let health: Value = response.json().await.unwrap();
        if wanted(status, &health) {
            Ok(health)
        } else {
            Err((status, health))
        }
    })
    .await
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
        visible: |_, _| Ok(true),
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
        visible: |_, _| Ok(true),
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
    assert_eq!(
        names(bus),
        ["lastError", "lastHeartbeatAt", "mode", "state"]
    );
    assert_eq!(bus["lastError"], Value::Null);
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
