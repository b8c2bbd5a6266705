//! The thread around the follower, and what it shows over HTTP.

use feed::bus;
use feed::consumer::{self, ConsumerHandle, ConsumerOptions};
use feed::memory::{MemoryReader, MemorySink};
use feed::rest::{self, ConsumerView};
use feed::{BusState, ConsumerState};
use journal::{JournalId, SystemClock};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Far longer than anything here takes: a test that waits this long has failed.
pub(crate) const LONG: Duration = Duration::from_secs(20);

pub(crate) fn patient() -> ConsumerOptions {
    // Nothing here may happen by the timer.
    ConsumerOptions {
        poll_interval: LONG * 10,
        idle_interval: LONG * 10,
        ..Default::default()
    }
}

pub(crate) fn start(
    reader: &MemoryReader,
    sink: &MemorySink,
    options: ConsumerOptions,
) -> ConsumerHandle {
    consumer::spawn(
        sink.clone(),
        Arc::new(reader.clone()),
        Arc::new(SystemClock),
        options,
    )
    .unwrap()
}

pub(crate) fn id(number: u64) -> JournalId {
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
    let bus = bus::inline::spawn(Arc::new(reader.clone()), consumers.clone()).unwrap();
    for number in 1..=3 {
        reader.with(|journal| journal.put(1, "a", 1));
        for consumer in &consumers {
            assert_eq!(consumer.wait_for(id(number), LONG).await, id(number));
            assert_eq!(consumer.status().bus, BusState::Live);
        }
    }
    drop(bus);
    consumers.iter().for_each(ConsumerHandle::stop);
}

#[tokio::test]
async fn entries_that_come_singly_are_gathered_unless_somebody_waits() {
    let (reader, sink) = (MemoryReader::new(), MemorySink::default());
    let options = ConsumerOptions {
        // Only somebody who waits ends this.
        gathers_for: LONG * 10,
        ..patient()
    };
    let consumer = start(&reader, &sink, options);
    consumer.set_bus("inline", BusState::Live);
    let mut checkpoints = consumer.checkpoints();
    let put = || {
        reader.with(|journal| journal.put(1, "a", 1));
        consumer.signal();
    };
    put();
    // The first after a pause is not kept back.
    tokio::time::timeout(LONG, checkpoints.wait_for(|reached| *reached == id(1)))
        .await
        .unwrap()
        .unwrap();
    for _ in 2..=4 {
        put();
        assert_eq!(consumer.status().checkpoint, id(1));
    }
    assert_eq!(consumer.wait_for(id(4), LONG).await, id(4));
    assert_eq!(sink.with(|store| store.commits), 2);
    // Requests are answered meanwhile, and it stops at once.
    put();
    assert!(consumer.dead_letters(id(0), 10).await.unwrap().is_empty());
    consumer.stop();
    assert!(consumer.stopped(LONG));
}

#[tokio::test]
async fn what_was_gathered_is_applied_when_the_time_is_over() {
    let (reader, sink) = (MemoryReader::new(), MemorySink::default());
    let options = ConsumerOptions {
        gathers_for: Duration::from_millis(20),
        ..patient()
    };
    let consumer = start(&reader, &sink, options);
    consumer.set_bus("inline", BusState::Live);
    let mut checkpoints = consumer.checkpoints();
    for number in 1..=5 {
        reader.with(|journal| journal.put(1, "a", 1));
        consumer.signal();
        let reached = checkpoints.wait_for(|reached| *reached == id(number));
        tokio::time::timeout(LONG, reached).await.unwrap().unwrap();
    }
    consumer.stop();
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
        visible: |_, _| Ok(true),
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
    reader.with(|journal| *journal = feed::memory::MemoryJournal::new());
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
pub(crate) async fn serve(view: ConsumerView, stop: CancellationToken) -> String {
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
        visible: |_, _| Ok(true),
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
async fn pages_of_dead_letters_are_whole_while_others_park_and_settle() {
    let (reader, sink) = (MemoryReader::new(), MemorySink::default());
    sink.with(|store| store.poison = Some("bad".to_owned()));
    let park = |count: usize| {
        reader.with(|journal| {
            for _ in 0..count {
                journal.put(1, "bad", 1);
            }
        });
    };
    park(7);
    let consumer = start(&reader, &sink, patient());
    consumer.wait_for(id(7), LONG).await;
    let view = ConsumerView {
        consumer: Some(consumer.clone()),
        // As for a token that may not see everything.
        visible: |_, letter| Ok(letter.journal_id.get() != 3),
        is_inline: true,
        stall_threshold: LONG,
    };
    let stop = CancellationToken::new();
    let base = serve(view, stop.clone()).await;
    let client = reqwest::Client::new();
    let page = async |query: String| {
        let url = format!("{base}/filestore/dead-letters?limit=2{query}");
        let answer = client.get(url).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.json::<serde_json::Value>().await.unwrap()
    };

    let (mut seen, mut sizes, mut query) = (Vec::new(), Vec::new(), String::new());
    for round in 0.. {
        let answer = page(query).await;
        let letters = answer["deadLetters"].as_array().unwrap();
        seen.extend(letters.iter().map(|it| it["journalId"].as_u64().unwrap()));
        sizes.push(letters.len());
        if round == 0 {
            // One of this page goes, and so does the place that the cursor names; others come.
            consumer.discard(id(1)).await.unwrap();
            consumer.discard(id(2)).await.unwrap();
            park(2);
            consumer.signal();
            consumer.wait_for(id(9), LONG).await;
        }
        match answer["nextCursor"].as_str() {
            Some(cursor) => query = format!("&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, [1, 2, 4, 5, 6, 7, 8, 9]);
    assert_eq!(sizes, [2; 4], "a full last page says that it is the last");

    for query in ["cursor=x", "cursor=IngiCg", "after=1&cursor=MQ"] {
        let url = format!("{base}/filestore/dead-letters?{query}");
        let answer = client.get(url).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{query}");
        let problem: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(problem["errors"][0]["pointer"], "/cursor", "{query}");
    }
    consumer.stop();
    stop.cancel();
}

#[tokio::test]
async fn a_disabled_sync_says_so() {
    let view = ConsumerView {
        consumer: None,
        visible: |_, _| Ok(true),
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
