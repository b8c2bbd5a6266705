//! Extractors that reject with a [`Problem`] naming the field and the fix.
//!
//! They read what axum's own of the same name read, with two differences: JSON is read as
//! [`json`] says, and a query parameter may be repeated to fill a list.

use axum::RequestPartsExt;
use axum::body::Bytes;
use axum::extract::path::ErrorKind;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Code, Problem, content_type, json};

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
        let kind = content_type(request.headers(), &["application/json"]);
        let body = Bytes::from_request(request, state)
            .await
            .map_err(body_problem)?;
        kind?;
        if body.is_empty() {
            return Err(Problem::bad_request(
                Code::MalformedJson,
                "the body is empty; send JSON",
            ));
        }
        Ok(Self(json::from_slice(&body)?))
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
                let mut problem =
                    Problem::invalid(&json::pointer(error.path(), &message), &message);
                if problem
                    .errors()
                    .iter()
                    .all(|field| field.pointer.is_empty())
                {
                    problem =
                        Problem::bad_request(Code::InvalidRequest, format!("query: {message}"));
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

fn body_problem(rejection: BytesRejection) -> Problem {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::too_large("the body is larger than this operation takes")
        }
        _ => Problem::bad_request(Code::InvalidRequest, "the body broke off before its end"),
    }
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
