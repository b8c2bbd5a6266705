use std::sync::Arc;

use testkit::wait_for_async;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::service::{Gate, Served, TIMEOUT, app};

#[tokio::test]
async fn stopping_finishes_the_requests_in_flight_and_takes_no_more() {
    let gate = Arc::new(Gate::default());
    let service = Served::of(app(&gate)).await;
    let answer = tokio::spawn(service.get("/slow").send());
    gate.entered.notified().await;
    service.stop.cancel();
    wait_for_async("new connections to be refused", TIMEOUT, async || {
        TcpStream::connect(service.address()).await.is_err()
    })
    .await;
    assert!(!service.task.is_finished());

    gate.open.notify_one();
    let answer = timeout(TIMEOUT, answer).await.unwrap().unwrap().unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text().await.unwrap(), "done");
    timeout(TIMEOUT, service.task)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn stopping_ends_event_streams_in_good_order() {
    let service = Served::start().await;
    let mut stream = service.get("/events").send().await.unwrap();
    assert_eq!(stream.chunk().await.unwrap().unwrap(), "data: hello\n\n");
    service.stop.cancel();
    // The end of the body, not a broken connection.
    assert_eq!(
        timeout(TIMEOUT, stream.chunk()).await.unwrap().unwrap(),
        None
    );
    timeout(TIMEOUT, service.task)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn stopping_is_told_to_those_who_wait() {
    let gate = Arc::new(Gate::default());
    let service = Served::of(app(&gate)).await;
    let answer = tokio::spawn(service.get("/poll").send());
    gate.entered.notified().await;
    service.stop.cancel();
    let answer = timeout(TIMEOUT, answer).await.unwrap().unwrap().unwrap();
    assert_eq!(answer.text().await.unwrap(), "nothing yet");
    timeout(TIMEOUT, service.task)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn stopping_does_not_wait_for_idle_connections() {
    let service = Served::start().await;
    service
        .get("/healthz")
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let silent = TcpStream::connect(service.address()).await.unwrap();
    service.stop.cancel();
    timeout(TIMEOUT, service.task)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    drop(silent);
}
