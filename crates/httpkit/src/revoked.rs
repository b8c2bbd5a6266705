//! A request ends when its token is taken away, also while it waits or streams.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::response::{IntoResponse, Response};
use futures::Stream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::Problem;

/// What a request gets whose token is gone.
#[derive(Debug, thiserror::Error)]
#[error("the token was taken away or changed while the request ran")]
struct Revoked;

/// The answer; 401, if the token is gone before it begins, and its end, if it is gone later.
pub(crate) async fn until_revoked(
    revoked: CancellationToken,
    answer: impl Future<Output = Response> + Send,
) -> Response {
    let answer = tokio::select! {
        biased;
        answer = answer => answer,
        () = revoked.cancelled() => return Problem::unauthorized(Revoked.to_string()).into_response(),
    };
    // An answer of known size is all there already.
    if answer.body().size_hint().exact().is_some() {
        return answer;
    }
    answer.map(|body| {
        Body::from_stream(UntilRevoked {
            body: body.into_data_stream(),
            revoked: Box::pin(revoked.cancelled_owned()),
            has_ended: false,
        })
    })
}

/// A stream that breaks off, so that nobody takes what came for all there is.
struct UntilRevoked {
    body: axum::body::BodyDataStream,
    revoked: Pin<Box<WaitForCancellationFutureOwned>>,
    has_ended: bool,
}

impl Stream for UntilRevoked {
    type Item = Result<Bytes, axum::BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        if self.revoked.as_mut().poll(context).is_ready() {
            self.has_ended = true;
            return Poll::Ready(Some(Err(Revoked.into())));
        }
        Pin::new(&mut self.body)
            .poll_next(context)
            .map(|item| item.map(|result| result.map_err(Into::into)))
    }
}
