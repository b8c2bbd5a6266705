//! Extractors that reject with a [`Problem`] naming the field and the fix.
//!
//! They read what axum's own of the same name read, with two differences: a JSON body may have
//! any `+json` content type, and a query parameter may be repeated to fill a list.

use axum::RequestPartsExt;
use axum::body::Bytes;
use axum::extract::path::ErrorKind;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

use crate::Problem;

/// A JSON body, in and out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

/// The query string. A list field takes a repeated parameter (`?events=a&events=b`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Query<T>(pub T);

/// The parameters of the matched path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Path<T>(pub T);

impl<T, S> FromRequest<S> for Json<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let is_json = has_json_content_type(request.headers());
        let body = Bytes::from_request(request, state)
            .await
            .map_err(body_problem)?;
        if !is_json {
            return Err(not_json());
        }
        if body.is_empty() {
            return Err(Problem::bad_request(
                "malformed_json",
                "the body is empty; send JSON",
            ));
        }
        parse_json(&body).map(Self)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => ([(CONTENT_TYPE, "application/json")], body).into_response(),
            Err(error) => Problem::internal(&error).into_response(),
        }
    }
}

impl<T, S> FromRequestParts<S> for Query<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let deserializer = serde_html_form::Deserializer::from_bytes(query.as_bytes());
        serde_path_to_error::deserialize(deserializer)
            .map(Self)
            .map_err(|error| {
                let message = error.inner().to_string();
                let mut problem = Problem::invalid(&pointer(error.path(), &message), &message);
                if problem
                    .errors()
                    .iter()
                    .all(|field| field.pointer.is_empty())
                {
                    problem = Problem::bad_request("invalid_request", format!("query: {message}"));
                }
                problem
            })
    }
}

impl<T, S> FromRequestParts<S> for Path<T>
where
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(rejection) => Err(path_problem(rejection, parts).await),
        }
    }
}

fn has_json_content_type(headers: &HeaderMap) -> bool {
    let Some(content_type) = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
    else {
        return false;
    };
    let essence = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    essence
        .strip_prefix("application/")
        .is_some_and(|subtype| subtype == "json" || subtype.ends_with("+json"))
}

fn not_json() -> Problem {
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        "the body must be JSON and say so: add -H 'content-type: application/json'",
    )
}

fn body_problem(rejection: BytesRejection) -> Problem {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::too_large("the body is larger than this operation takes")
        }
        _ => Problem::bad_request("invalid_request", "the body broke off before its end"),
    }
}

/// Decodes the whole of `body`, naming what is at fault by JSON pointer.
fn parse_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let at = error.path().clone();
        json_problem(&at, &error.into_inner())
    })?;
    match deserializer.end() {
        Ok(()) => Ok(value),
        Err(error) => Err(malformed(&error)),
    }
}

fn json_problem(at: &serde_path_to_error::Path, error: &serde_json::Error) -> Problem {
    if !error.is_data() {
        return malformed(error);
    }
    let message = error.to_string();
    Problem::invalid(&pointer(at, &message), message)
}

fn malformed(error: &serde_json::Error) -> Problem {
    Problem::bad_request(
        "malformed_json",
        format!("the body is not valid JSON: {error}"),
    )
}

/// The JSON pointer to the field at fault. Serde reports a missing or unknown field at the object
/// around it, so its name comes from the message.
fn pointer(path: &serde_path_to_error::Path, message: &str) -> String {
    let mut pointer = String::new();
    let mut push = |segment: &str| {
        pointer.push('/');
        pointer.push_str(&segment.replace('~', "~0").replace('/', "~1"));
    };
    let mut last = "";
    for segment in path {
        match segment {
            Segment::Seq { index } => push(&index.to_string()),
            Segment::Map { key } | Segment::Enum { variant: key } => {
                push(key);
                last = key;
            }
            Segment::Unknown => {}
        }
    }
    let named = ["missing field `", "unknown field `"]
        .iter()
        .find_map(|start| message.strip_prefix(start)?.split('`').next());
    if let Some(field) = named.filter(|field| *field != last) {
        push(field);
    }
    pointer
}

async fn path_problem(rejection: PathRejection, parts: &mut Parts) -> Problem {
    let PathRejection::FailedToDeserializePathParams(error) = rejection else {
        // The handler asks for parameters that its route does not have: our mistake.
        return Problem::internal_cause(rejection.to_string());
    };
    match error.into_kind() {
        ErrorKind::ParseErrorAtKey {
            key,
            value,
            expected_type,
        } => wrong_parameter(&key, &value, expected_type),
        ErrorKind::ParseErrorAtIndex {
            index,
            value,
            expected_type,
        } => {
            let key = parameter_name(parts, index).await;
            wrong_parameter(&key, &value, expected_type)
        }
        ErrorKind::ParseError {
            value,
            expected_type,
        } => {
            let key = parameter_name(parts, 0).await;
            wrong_parameter(&key, &value, expected_type)
        }
        ErrorKind::DeserializeError { key, message, .. } => {
            Problem::invalid(&format!("/{key}"), message)
        }
        ErrorKind::InvalidUtf8InPathParam { key } => {
            Problem::invalid(&format!("/{key}"), "must be percent-encoded UTF-8")
        }
        ErrorKind::Message(message) => {
            let key = parameter_name(parts, 0).await;
            Problem::invalid(&format!("/{key}"), message)
        }
        other => Problem::internal_cause(other.to_string()),
    }
}

fn wrong_parameter(key: &str, value: &str, expected_type: &str) -> Problem {
    let expected = match expected_type {
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "an integer",
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => "an integer of at least 0",
        "f32" | "f64" => "a number",
        "bool" => "true or false",
        other => other,
    };
    Problem::invalid(
        &format!("/{key}"),
        format!("must be {expected}, not {value:?}"),
    )
}

async fn parameter_name(parts: &mut Parts, index: usize) -> String {
    match parts.extract::<RawPathParams>().await {
        Ok(params) => params
            .iter()
            .nth(index)
            .map_or_else(String::new, |(key, _)| key.to_owned()),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    #[expect(dead_code, reason = "only decoded")]
    struct Body {
        node_id: u64,
        #[serde(default)]
        metadata: std::collections::BTreeMap<String, Vec<u64>>,
    }

    fn fault(body: &str) -> (String, String) {
        let problem = parse_json::<Body>(body.as_bytes()).unwrap_err();
        let pointer = problem.errors().first().map(|field| field.pointer.clone());
        (problem.code().to_owned(), pointer.unwrap_or_default())
    }

    #[test]
    fn a_fault_is_named_by_json_pointer() {
        let invalid = |pointer: &str| ("invalid_request".to_owned(), pointer.to_owned());
        assert_eq!(fault(r#"{"nodeId":"x"}"#), invalid("/nodeId"));
        assert_eq!(
            fault(r#"{"nodeId":1,"metadata":{"a/b~c":[1,"x"]}}"#),
            invalid("/metadata/a~1b~0c/1")
        );
        assert_eq!(fault("{}"), invalid("/nodeId"));
        assert_eq!(fault("[]"), invalid(""));
    }

    #[test]
    fn broken_json_says_where() {
        let problem = parse_json::<Body>(b"{\"nodeId\": 1,\n oops}").unwrap_err();
        assert_eq!(problem.code(), "malformed_json");
        assert!(
            problem.detail().contains("line 2 column 2"),
            "{}",
            problem.detail()
        );
        let trailing = parse_json::<Body>(b"{\"nodeId\": 1} {}").unwrap_err();
        assert_eq!(trailing.code(), "malformed_json");
    }

    #[test]
    fn json_content_types_are_recognised() {
        let is_json = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, text.parse().unwrap());
            has_json_content_type(&headers)
        };
        assert!(is_json("application/json"));
        assert!(is_json("Application/JSON; charset=utf-8"));
        assert!(is_json("application/merge-patch+json"));
        assert!(!is_json("application/x-www-form-urlencoded"));
        assert!(!is_json("text/json"));
        assert!(!has_json_content_type(&HeaderMap::new()));
    }
}
