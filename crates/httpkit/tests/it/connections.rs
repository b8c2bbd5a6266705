//! Clients that take their time.

use std::sync::Arc;
use std::time::Duration;

use httpkit::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::service::{Gate, Served, TIMEOUT, app};

const HALF_A_HEAD: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ";

async fn within(limits: Limits) -> Served {
    Served::within(limits, app(&Arc::default())).await
}

async fn send(service: &Served, bytes: &[u8]) -> TcpStream {
    let mut socket = TcpStream::connect(service.address()).await.unwrap();
    socket.write_all(bytes).await.unwrap();
    socket
}

/// Reads until the other side closes, in good order or not.
async fn ended(socket: &mut TcpStream) {
    let mut rest = Vec::new();
    let end = timeout(TIMEOUT, socket.read_to_end(&mut rest)).await;
    assert!(end.is_ok(), "the connection is still open");
}

async fn is_healthy(service: &Served) -> bool {
    let answer = reqwest::Client::new().get(service.url("/healthz")).send();
    let answer = timeout(TIMEOUT, answer).await.unwrap();
    answer.is_ok_and(|answer| answer.status() == 200)
}

#[tokio::test]
async fn a_head_that_does_not_end_is_not_waited_for() {
    let service = within(Limits {
        head: Duration::from_millis(200),
        ..Limits::default()
    })
    .await;
    for start in [HALF_A_HEAD, b""] {
        ended(&mut send(&service, start).await).await;
    }
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    let service = Served::start().await;
    let head = [HALF_A_HEAD, &[b'x'; 256 * 1024]].concat();
    let mut socket = TcpStream::connect(service.address()).await.unwrap();
    // The other side may close before it has all of it.
    let _ = socket.write_all(&head).await;
    let mut start = [0; 12];
    socket.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 431");
}

#[tokio::test]
async fn what_is_no_request_is_told_in_a_problem_document() {
    let service = Served::start().await;
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(70_000));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(200));
    for (request, status, code) in [
        ("GET /\r\n\r\n", 400, "invalid_request"),
        (
            "GET / HTTP/1.1\r\nno header\r\n\r\n",
            400,
            "invalid_request",
        ),
        (long.as_str(), 414, "uri_too_long"),
        (many.as_str(), 431, "invalid_request"),
        // After a request that went well.
        (
            "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nbroken\r\n\r\n",
            400,
            "invalid_request",
        ),
    ] {
        let mut socket = send(&service, request.as_bytes()).await;
        let mut text = String::new();
        socket.read_to_string(&mut text).await.unwrap();
        let answer = text.rfind("HTTP/1.1 ").map(|at| &text[at..]).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{text}");
        assert!(
            answer.contains("content-type: application/problem+json"),
            "{text}"
        );
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(
            (&problem["status"], &problem["code"]),
            (&status.into(), &code.into())
        );
    }
}

#[tokio::test]
async fn slow_heads_make_room_for_others() {
    let service = within(Limits {
        connections: 3,
        ..Limits::default()
    })
    .await;
    let mut slow = Vec::new();
    for _ in 0..8 {
        slow.push(send(&service, HALF_A_HEAD).await);
    }
    assert!(is_healthy(&service).await);
    ended(&mut slow.remove(0)).await;
}

#[tokio::test]
async fn a_request_under_way_is_not_closed_for_another_one() {
    let gate = Arc::new(Gate::default());
    let limits = Limits {
        connections: 2,
        ..Limits::default()
    };
    let service = Served::within(limits, app(&gate)).await;
    let answer = tokio::spawn(service.get("/slow").send());
    gate.entered.notified().await;
    for _ in 0..4 {
        assert!(is_healthy(&service).await);
    }
    gate.open.notify_one();
    let answer = timeout(TIMEOUT, answer).await.unwrap().unwrap().unwrap();
    assert_eq!(answer.text().await.unwrap(), "done");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_given_up() {
    let gate = Arc::new(Gate::default());
    let limits = Limits {
        write: Duration::from_millis(200),
        ..Limits::default()
    };
    let service = Served::within(limits, app(&gate)).await;
    let socket = send(&service, b"GET /flood HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    timeout(TIMEOUT, gate.gone.notified()).await.unwrap();
    drop(socket);
}

#[tokio::test]
async fn stopping_does_not_wait_for_clients_that_do_not_move() {
    let service = Served::start().await;
    let held = [
        send(&service, HALF_A_HEAD).await,
        send(
            &service,
            b"PUT /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx",
        )
        .await,
        send(&service, b"GET /flood HTTP/1.1\r\nHost: localhost\r\n\r\n").await,
    ];
    assert!(is_healthy(&service).await);
    service.stop.cancel();
    timeout(TIMEOUT, service.task)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    drop(held);
}
