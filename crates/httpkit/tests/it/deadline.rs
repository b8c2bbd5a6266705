use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use futures::{StreamExt, stream};
use tokio::time::interval;

use crate::service::{Gate, Served, app, problem};

const LIMIT: Duration = Duration::from_millis(500);

async fn impatient(gate: &Arc<Gate>) -> Served {
    Served::of(app(gate).standstill_limit(LIMIT)).await
}

#[tokio::test]
async fn a_handler_that_never_answers_is_a_504() {
    let service = impatient(&Arc::default()).await;
    let document = problem(service.get("/slow"), 504).await;
    assert_eq!(document["code"], "timeout");
    assert_eq!(document["retryable"], true);
}

#[tokio::test]
async fn a_client_that_stops_sending_is_a_408() {
    let service = impatient(&Arc::default()).await;
    let body = stream::iter([Ok::<_, std::io::Error>("some")]).chain(stream::pending());
    let upload = service.client.put(service.url("/upload"));
    let document = problem(upload.body(reqwest::Body::wrap_stream(body)), 408).await;
    assert_eq!(document["code"], "request_timeout");
}

/// Ten pieces, a fifth of the limit apart: nearly twice the limit in all. The pace is what is tested.
fn in_pieces(piece: &'static [u8]) -> reqwest::Body {
    let pieces = stream::unfold(interval(LIMIT / 5), move |mut pace| async move {
        pace.tick().await;
        Some((Ok::<_, std::io::Error>(Bytes::from_static(piece)), pace))
    });
    reqwest::Body::wrap_stream(pieces.take(10))
}

#[tokio::test]
async fn an_upload_may_take_longer_than_the_limit_while_it_moves() {
    static PIECE: [u8; 65_536] = [7; 65_536];
    let service = impatient(&Arc::default()).await;
    let upload = service.client.put(service.url("/upload"));
    let answer = upload.body(in_pieces(&PIECE)).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "655360");
}

#[tokio::test]
async fn a_client_that_sends_a_byte_now_and_then_is_a_408() {
    let service = impatient(&Arc::default()).await;
    let upload = service.client.put(service.url("/upload"));
    let document = problem(upload.body(in_pieces(b"x")), 408).await;
    assert_eq!(document["code"], "request_timeout");
}

#[tokio::test]
async fn an_answer_that_streams_is_not_bounded() {
    let service = impatient(&Arc::default()).await;
    let mut events = service.get("/events").send().await.unwrap();
    events.chunk().await.unwrap().unwrap();
    let more = tokio::time::timeout(LIMIT * 2, events.chunk()).await;
    assert!(more.is_err(), "the stream ended: {more:?}");
}
