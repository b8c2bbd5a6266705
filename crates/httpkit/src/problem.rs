//! Errors as RFC 9457 problem documents.
//!
//! A [`Problem`] has two readers, kept apart: the client gets status, code, title, detail and the
//! fields at fault; the log gets the cause. The cause travels in the response's extensions to the
//! edge, which logs it once, with the request id, and never reaches the body.
//!
//! Every document also carries `error: {code, message, details}`, which AppHub's filestore SDK
//! reads; its codes are upper case and not quite the same ones.

use std::error::Error;
use std::fmt;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use process::Chain;
use serde::Serialize;
use serde_json::Value;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::Code;

/// What handlers return.
pub type Result<T> = std::result::Result<T, Problem>;

/// Seconds that a caller is asked to wait when nobody said otherwise.
const DEFAULT_RETRY_AFTER_SECONDS: u32 = 1;

pub(crate) const CONTENT_TYPE_PROBLEM_TEXT: &str = "application/problem+json";
const CONTENT_TYPE_PROBLEM: HeaderValue = HeaderValue::from_static(CONTENT_TYPE_PROBLEM_TEXT);

/// An error that a client can read.
#[derive(Debug, Clone)]
pub struct Problem(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    status: StatusCode,
    code: Code,
    detail: String,
    errors: Vec<FieldError>,
    details: Option<Value>,
    apphub_code: Option<&'static str>,
    retry_after_seconds: Option<u32>,
    cause: Option<String>,
}

/// One field at fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// JSON pointer (RFC 6901) into the body, or `/name` of a query or path parameter.
    #[schema(example = "/metadata/owner")]
    pub pointer: String,
    /// What is wrong with it.
    pub detail: String,
}

impl Problem {
    /// A problem with `status` and a code; `detail` is for people.
    ///
    /// For a 5xx `detail` is shown too: it must not tell of internals (see [`Problem::internal`]).
    /// 429 and 503 say when to come back: [`Problem::retry_after`] changes when.
    pub fn new(status: StatusCode, code: Code, detail: impl Into<String>) -> Self {
        let is_overload = matches!(status.as_u16(), 429 | 503);
        Self(Box::new(Inner {
            status,
            code,
            detail: detail.into(),
            errors: Vec::new(),
            details: None,
            apphub_code: None,
            retry_after_seconds: is_overload.then_some(DEFAULT_RETRY_AFTER_SECONDS),
            cause: None,
        }))
    }

    /// 400.
    pub fn bad_request(code: Code, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// 400 `invalid_request`, naming one field by its JSON pointer.
    pub fn invalid(pointer: &str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let shown = if pointer.is_empty() {
            detail.clone()
        } else {
            format!("{pointer}: {detail}")
        };
        Self::bad_request(Code::InvalidRequest, shown).with_field(pointer, detail)
    }

    /// 401; the answer carries `WWW-Authenticate`.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, Code::Unauthorized, detail)
    }

    /// 403.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, Code::Forbidden, detail)
    }

    /// 404.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, Code::NotFound, detail)
    }

    /// 409.
    pub fn conflict(code: Code, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// 413.
    pub fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, Code::PayloadTooLarge, detail)
    }

    /// 429, with `Retry-After`.
    pub fn too_many(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, Code::TooManyRequests, detail)
    }

    /// 503, with `Retry-After`.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, detail)
    }

    /// 500: the chain of sources goes to the log, once, when the answer leaves, and none of it to
    /// the client.
    pub fn internal(error: &dyn Error) -> Self {
        Self::internal_cause(Chain(error).to_string())
    }

    pub(crate) fn internal_cause(cause: String) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            Code::Internal,
            "the service failed; its log has the cause under the request id in `instance`",
        )
        .with_cause(cause)
    }

    pub(crate) fn with_cause(mut self, cause: String) -> Self {
        self.0.cause = Some(cause);
        self
    }

    /// Names one more field at fault.
    #[must_use]
    pub fn with_field(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.0.errors.push(FieldError {
            pointer: pointer.into(),
            detail: detail.into(),
        });
        self
    }

    /// Adds facts for machines, shown as `error.details`.
    #[must_use]
    pub fn with_details(mut self, details: Value) -> Self {
        self.0.details = Some(details);
        self
    }

    /// Says what AppHub's clients call it, where that is not the code in upper case.
    #[must_use]
    pub fn with_apphub_code(mut self, code: &'static str) -> Self {
        self.0.apphub_code = Some(code);
        self
    }

    /// Says when to try again; makes the problem retryable.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.0.retry_after_seconds = Some(seconds);
        self
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The code that clients branch on.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// What people read.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The fields at fault.
    #[must_use]
    pub fn errors(&self) -> &[FieldError] {
        &self.0.errors
    }

    /// Whether the same request may succeed later, unchanged.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.retry_after_seconds.is_some()
            || matches!(self.0.status.as_u16(), 408 | 429 | 502 | 503 | 504)
    }

    /// What only the log may say.
    pub(crate) fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// The headers that go with the document.
    pub(crate) fn describe_in(&self, headers: &mut HeaderMap) {
        headers.insert(CONTENT_TYPE, CONTENT_TYPE_PROBLEM);
        if let Some(seconds) = self.0.retry_after_seconds {
            headers
                .entry(RETRY_AFTER)
                .or_insert_with(|| HeaderValue::from(seconds));
        }
    }

    /// The body, as the client reads it.
    pub(crate) fn document(&self, instance: Option<&str>) -> Vec<u8> {
        let apphub_code = self.0.apphub_code.map(str::to_owned);
        let document = Document {
            r#type: format!("/docs#error-{}", self.0.code),
            title: self.0.code.title(),
            status: self.0.status.as_u16(),
            detail: &self.0.detail,
            message: &self.0.detail,
            instance,
            code: self.0.code.as_str(),
            is_retryable: self.is_retryable(),
            errors: &self.0.errors,
            error: Nested {
                code: apphub_code.unwrap_or_else(|| self.0.code.for_apphub()),
                message: &self.0.detail,
                details: self.0.details.as_ref(),
            },
        };
        // Serialising strings, numbers and a `Value` cannot fail; an empty body would still be
        // an answer with the right status.
        serde_json::to_vec(&document).unwrap_or_default()
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
/// RFC 9457 problem document: what every error looks like.
struct Document<'a> {
    /// A page that explains the code.
    #[schema(example = "/docs#error-not_found")]
    r#type: String,
    /// The same for every occurrence of the code.
    title: &'a str,
    /// The HTTP status.
    status: u16,
    /// What went wrong this time.
    detail: &'a str,
    /// The same as `detail`, where AppHub's clients read it.
    message: &'a str,
    /// This occurrence: the request id, as it is in the service's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "urn:tidemark:request:0198c5a2-7d6b-7c1e-9a55-6f1d8a1f2b3c")]
    instance: Option<&'a str>,
    /// What clients branch on; a closed list.
    code: &'a str,
    /// Whether the same request may succeed later, unchanged.
    #[serde(rename = "retryable")]
    is_retryable: bool,
    /// The fields at fault.
    errors: &'a [FieldError],
    /// The same once more, in the shape AppHub's clients read.
    error: Nested<'a>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ProblemError)]
/// Code and message in the shape AppHub's clients read.
struct Nested<'a> {
    /// What AppHub calls it, in upper case.
    #[schema(example = "NODE_NOT_FOUND")]
    code: String,
    message: &'a str,
    /// Facts for machines; what they are depends on the code.
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a Value>,
}

impl PartialSchema for Problem {
    fn schema() -> RefOr<Schema> {
        Document::schema()
    }
}

impl ToSchema for Problem {
    fn name() -> std::borrow::Cow<'static, str> {
        "Problem".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Document::schemas(schemas);
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.0.status, self.document(None)).into_response();
        self.describe_in(response.headers_mut());
        let headers = response.headers_mut();
        if self.0.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"tidemark\"");
            headers.insert(axum::http::header::WWW_AUTHENTICATE, challenge);
        }
        // The edge adds the request id to the body and logs the cause.
        response.extensions_mut().insert(self);
        response
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}: {}",
            self.0.status.as_u16(),
            self.0.code,
            self.0.detail
        )
    }
}

impl Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot commit")]
    struct Outer(#[source] std::io::Error);

    fn body(problem: &Problem) -> Value {
        serde_json::from_slice(&problem.document(Some("urn:x"))).unwrap()
    }

    #[test]
    fn an_internal_error_keeps_its_chain_for_the_log_and_from_the_client() {
        let problem = Problem::internal(&Outer(std::io::Error::other("disk on fire")));
        assert_eq!(problem.cause(), Some("cannot commit: disk on fire"));
        assert_eq!(problem.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let shown = String::from_utf8(problem.document(None)).unwrap();
        assert!(
            !shown.contains("disk") && !shown.contains("commit"),
            "{shown}"
        );
        assert!(!problem.is_retryable());
    }

    #[test]
    fn a_document_has_every_member_of_the_contract() {
        let problem = Problem::invalid("/tags/0", "must not be empty")
            .with_details(serde_json::json!({"limit": 3}));
        assert_eq!(
            body(&problem),
            serde_json::json!({
                "type": "/docs#error-invalid_request",
                "title": "The request is invalid",
                "status": 400,
                "detail": "/tags/0: must not be empty",
                "message": "/tags/0: must not be empty",
                "instance": "urn:x",
                "code": "invalid_request",
                "retryable": false,
                "errors": [{"pointer": "/tags/0", "detail": "must not be empty"}],
                "error": {
                    "code": "INVALID_REQUEST",
                    "message": "/tags/0: must not be empty",
                    "details": {"limit": 3}
                }
            })
        );
    }

    #[test]
    fn overload_says_when_to_come_back() {
        for problem in [
            Problem::too_many("slow down"),
            Problem::unavailable("later"),
        ] {
            assert!(problem.is_retryable());
            assert_eq!(body(&problem)["retryable"], true);
            let response = problem.retry_after(7).into_response();
            assert_eq!(response.headers()[RETRY_AFTER], "7");
        }
    }
}
