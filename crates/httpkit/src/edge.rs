//! The outermost layer: every answer passes here.
//!
//! It gives each request an id (the client's own, if it is harmless), measures it, turns errors
//! that did not come as a [`Problem`] into one, and logs: each request at debug, a failure of the
//! service once, with its cause.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument;

use crate::header::refused;
use crate::{Code, Problem, Result, media, metric};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
const REQUEST_ID_MAX_BYTES: usize = 128;
/// Longer error texts than this come from nobody we know.
const ERROR_TEXT_MAX_BYTES: usize = 4096;

/// The id of one request: in the header `x-request-id` both ways, in the log, and in a problem's
/// `instance`. An extractor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// The client's id, if it can stand in a log line as it is; else a new one.
    fn of(headers: &HeaderMap) -> Self {
        let harmless = |id: &&str| {
            (1..=REQUEST_ID_MAX_BYTES).contains(&id.len())
                && id
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        let own = headers
            .get(X_REQUEST_ID)
            .and_then(|id| id.to_str().ok())
            .filter(harmless);
        Self(own.map_or_else(|| uuid::Uuid::now_v7().to_string().into(), Into::into))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RequestId {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        _: &S,
    ) -> std::result::Result<Self, Self::Rejection> {
        Ok(parts
            .extensions
            .get::<Self>()
            .cloned()
            .unwrap_or_else(|| Self::of(&parts.headers)))
    }
}

/// Counts a request as in flight for as long as it lives, also when the client goes away.
struct InFlight(metrics::Gauge);

impl InFlight {
    fn enter(service: &'static str) -> Self {
        let gauge = metrics::gauge!(metric::REQUESTS_IN_FLIGHT, "service" => service);
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// What the edge knows of the service.
#[derive(Debug)]
pub(crate) struct Edge {
    pub(crate) service: &'static str,
    /// The methods of each route, as the header Allow spells them. (axum adds that header further
    /// out than any layer.)
    pub(crate) allowed: HashMap<String, String>,
}

pub(crate) async fn edge(
    State(edge): State<Arc<Edge>>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let service = edge.service;
    let _in_flight = InFlight::enter(service);
    let id = RequestId::of(request.headers());
    request.extensions_mut().insert(id.clone());
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "unmatched".to_owned(), |route| route.as_str().to_owned());
    let span = tracing::error_span!("request", service, request_id = %id, %method, path);

    async move {
        let response = match check(request.headers()) {
            Ok(()) => next.run(request).await,
            Err(problem) => problem.into_response(),
        };
        let asked = Asked {
            method: &method,
            path: &path,
            allowed: edge.allowed.get(&route),
        };
        let mut response = as_problem(response, &id, &asked).await;
        if let Ok(value) = HeaderValue::from_str(id.as_str()) {
            response.headers_mut().insert(X_REQUEST_ID, value);
        }
        if is_event_stream(&response) {
            // A proxy that buffers would hold events back.
            let no = HeaderValue::from_static("no");
            response.headers_mut().insert(X_ACCEL_BUFFERING, no);
        }
        let elapsed = started.elapsed();
        let labels = [
            ("service", service.to_owned()),
            ("method", method_label(&method).to_owned()),
            ("route", route),
            ("status", response.status().as_str().to_owned()),
        ];
        metrics::histogram!(metric::REQUEST_DURATION_SECONDS, &labels).record(elapsed);
        metrics::counter!(metric::REQUESTS_TOTAL, &labels).increment(1);
        let duration_ms = elapsed.as_secs_f64() * 1e3;
        tracing::debug!(
            status = response.status().as_u16(),
            duration_ms,
            "request answered"
        );
        response
    }
    .instrument(span)
    .await
}

/// What no operation takes.
fn check(headers: &HeaderMap) -> Result<()> {
    if headers.get_all(HOST).iter().count() > 1 {
        return Err(refused(HOST.as_str(), "it was sent twice; send it once"));
    }
    media::check_encoding(headers)
}

/// Whether the answer is a stream of server-sent events.
pub(crate) fn is_event_stream(response: &Response) -> bool {
    let content_type = response.headers().get(CONTENT_TYPE);
    content_type.is_some_and(|it| it.as_bytes().starts_with(b"text/event-stream"))
}

/// Labels are bounded, though the methods that a client can make up are not.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// What was asked for, to speak of it.
struct Asked<'a> {
    method: &'a Method,
    path: &'a str,
    allowed: Option<&'a String>,
}

/// Puts the request id into an error's document, making the document first where there is none.
async fn as_problem(mut response: Response, id: &RequestId, asked: &Asked<'_>) -> Response {
    let status = response.status();
    let problem = match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem,
        None if is_bare_error(&response) => {
            let body = std::mem::take(response.body_mut());
            let text = to_bytes(body, ERROR_TEXT_MAX_BYTES)
                .await
                .unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            describe(status, text.trim(), asked)
        }
        None => return response,
    };
    log(&problem);
    let document = problem.document(Some(&format!("urn:tidemark:request:{id}")));
    response.headers_mut().remove(CONTENT_LENGTH);
    problem.describe_in(response.headers_mut());
    *response.body_mut() = Body::from(document);
    response
}

/// An error from axum, tower or a handler that wrote plain text. An error with another content
/// type is a representation that the handler chose (a health report with 503).
fn is_bare_error(response: &Response) -> bool {
    let is_error = response.status().is_client_error() || response.status().is_server_error();
    let content_type = response.headers().get(CONTENT_TYPE);
    is_error && content_type.is_none_or(|it| it.as_bytes().starts_with(b"text/plain"))
}

fn describe(status: StatusCode, text: &str, asked: &Asked<'_>) -> Problem {
    let code = Code::for_status(status.as_u16());
    let Asked {
        method,
        path,
        allowed,
    } = asked;
    match status {
        StatusCode::METHOD_NOT_ALLOWED => {
            let others = allowed.map_or("other methods", String::as_str);
            Problem::new(status, code, format!("{path} takes {others}, not {method}"))
        }
        StatusCode::NOT_FOUND if text.is_empty() => {
            let detail = format!("nothing is served at {path}; /docs lists every operation");
            Problem::new(status, code, detail)
        }
        _ if status.is_server_error() => {
            let reason = status
                .canonical_reason()
                .unwrap_or("the service failed")
                .to_lowercase();
            Problem::new(status, code, reason).with_cause(text.to_owned())
        }
        _ if text.is_empty() => {
            Problem::new(status, code, status.canonical_reason().unwrap_or("refused"))
        }
        _ => Problem::new(status, code, text),
    }
}

/// The one place where a failed request is logged; the request's id is in the span.
fn log(problem: &Problem) {
    let (status, code) = (problem.status().as_u16(), problem.code().as_str());
    if let Some(cause) = problem.cause() {
        tracing::error!(status, code, cause, "request failed");
    } else if problem.status().is_server_error() {
        tracing::warn!(
            status,
            code,
            detail = problem.detail(),
            "request not served"
        );
    } else {
        tracing::debug!(status, code, detail = problem.detail(), "request refused");
    }
}

/// What a panicking handler answers.
pub(crate) fn panicked(payload: Box<dyn std::any::Any + Send + 'static>) -> Response {
    let text = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without a message");
    Problem::internal_cause(format!("handler panicked: {text}")).into_response()
}
