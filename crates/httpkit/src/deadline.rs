//! A bound on how long a request may stand still.
//!
//! The clock starts anew with every piece of the body that the handler receives, so that an
//! upload may take as long as it takes while a stalled client, or a handler that never answers,
//! does not hold its connection for ever. Answers that stream are not bounded here: the clock
//! stops with the answer's head.

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

use crate::Problem;

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
    Body::from_stream(futures::stream::poll_fn(move |context| {
        let polled = data.poll_next_unpin(context);
        match &polled {
            // Waiting is no progress: only a change of turn moves the clock.
            Poll::Pending => {
                turn.send_if_modified(|now| std::mem::replace(now, Turn::Client) != Turn::Client);
            }
            Poll::Ready(_) => {
                turn.send_replace(Turn::Handler);
            }
        }
        polled
    }))
}

fn too_late(turn: Turn, limit: Duration) -> Problem {
    let seconds = limit.as_secs();
    match turn {
        Turn::Client => Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "request_timeout",
            format!("nothing more of the body came for {seconds} s"),
        ),
        Turn::Handler => Problem::new(
            StatusCode::GATEWAY_TIMEOUT,
            "timeout",
            format!("the operation did not end within {seconds} s; it may still take effect"),
        ),
    }
}
