//! A bound on how long a request may stand still.
//!
//! The clock starts anew with every 64 KiB of the body that the handler receives, and with the
//! body's end. So an upload may take as long as it takes, while a client that stalls or sends a
//! byte now and then, or a handler that never answers, does not hold its connection for ever.
//! Answers that stream are not bounded here: the clock stops with the answer's head.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use tokio::sync::watch;

use crate::{Code, Problem};

/// What a client sends at least within the limit.
const PACE_BYTES: usize = 64 * 1024;

/// Who has to move next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Client,
    Handler,
}

pub(crate) async fn deadline(
    State(limit): State<Duration>,
    request: Request,
    next: Next,
) -> Response {
    let (turn, mut progress) = watch::channel(Turn::Handler);
    let turn = Arc::new(turn);
    let request = request.map(|body| watched(body, Arc::clone(&turn)));
    let answer = next.run(request);
    tokio::pin!(answer);
    loop {
        tokio::select! {
            response = &mut answer => return response,
            moved = tokio::time::timeout(limit, progress.changed()) => {
                if moved.is_err() {
                    return too_late(*progress.borrow(), limit).into_response();
                }
            }
        }
    }
}

/// `body`, telling at each step whose turn it is.
fn watched(body: Body, turn: Arc<watch::Sender<Turn>>) -> Body {
    if body.is_end_stream() {
        return body;
    }
    let mut data = body.into_data_stream();
    let mut received = 0_usize;
    Body::from_stream(futures::stream::poll_fn(move |context| {
        let polled = data.poll_next_unpin(context);
        let (whose, is_progress) = match &polled {
            Poll::Pending => (Turn::Client, false),
            Poll::Ready(Some(Ok(piece))) => {
                received = received.saturating_add(piece.len());
                (Turn::Handler, received >= PACE_BYTES)
            }
            Poll::Ready(None | Some(Err(_))) => (Turn::Handler, true),
        };
        turn.send_if_modified(|turn| {
            *turn = whose;
            is_progress
        });
        if is_progress {
            received = 0;
        }
        polled
    }))
}

fn too_late(turn: Turn, limit: Duration) -> Problem {
    let seconds = limit.as_secs();
    match turn {
        Turn::Client => Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            Code::RequestTimeout,
            format!("less than {PACE_BYTES} bytes of the body came within {seconds} s"),
        ),
        Turn::Handler => Problem::new(
            StatusCode::GATEWAY_TIMEOUT,
            Code::Timeout,
            format!("the operation did not end within {seconds} s; it may still take effect"),
        ),
    }
}
