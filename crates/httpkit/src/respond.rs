//! Answers that are not one JSON value.

use std::error::Error;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{Stream, StreamExt};

/// A streamed `application/x-ndjson` answer.
///
/// The status has left before the first line. If the stream fails later, the connection is cut
/// without the end of the body, so that no client takes half an answer for a whole one; the cause
/// is logged here, since nobody else will see it.
pub fn ndjson<S, E>(stream: S) -> Response
where
    S: Stream<Item = std::result::Result<Bytes, E>> + Send + 'static,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let lines = stream.map(|line| {
        line.map_err(|error| {
            let error = error.into();
            tracing::error!(
                error = error.as_ref() as &dyn Error,
                "streamed answer broke off"
            );
            error
        })
    });
    let body = Body::from_stream(lines);
    ([(CONTENT_TYPE, "application/x-ndjson")], body).into_response()
}
