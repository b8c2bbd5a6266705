//! A result in the form that the client asked for.

use super::Shared;
use crate::encode::{self, Format};
use crate::error::Error;
use crate::questions::{Pages, Question, next_cursor};
use crate::sink::{read_checkpoint, summed};
use crate::statement::{self, Limits, ResultSet};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use httpkit::Problem;
use serde_json::{Map, Value};

/// What a JSON answer may hold in memory.
pub(super) const RESULT_MAX_BYTES: usize = 64 << 20;

const TRUNCATED: HeaderName = HeaderName::from_static("tidemark-truncated");
const NEXT_CURSOR: HeaderName = HeaderName::from_static("tidemark-next-cursor");

/// The form: the query's `format`, else what `Accept` wants most, else JSON.
pub(super) fn negotiate(headers: &HeaderMap, asked: Option<&str>) -> httpkit::Result<Format> {
    if let Some(word) = asked {
        return match word {
            "json" => Ok(Format::Json),
            "ndjson" => Ok(Format::NdJson),
            "csv" => Ok(Format::Csv),
            "arrow" => Ok(Format::Arrow),
            _ => Err(Problem::invalid(
                "/format",
                "must be json, ndjson, csv or arrow",
            )),
        };
    }
    let offered = [
        "application/json",
        "application/x-ndjson",
        "text/csv",
        "application/vnd.apache.arrow.stream",
    ];
    Ok(match httpkit::accepted(headers, &offered)? {
        "application/x-ndjson" => Format::NdJson,
        "text/csv" => Format::Csv,
        "application/vnd.apache.arrow.stream" => Format::Arrow,
        _ => Format::Json,
    })
}

/// The result. JSON puts the rows as `rows_name` beside `envelope`; the other forms are rows only,
/// and a header says if they are not all.
pub(super) fn answer(
    result: &ResultSet,
    format: Format,
    rows_name: &str,
    envelope: Map<String, Value>,
) -> httpkit::Result<Response> {
    let internal = |error: Error| Problem::from(error);
    let body = match format {
        Format::Json => json(result, rows_name, envelope)
            .map_err(internal)?
            .into_bytes(),
        Format::NdJson => encode::ndjson(result).into_bytes(),
        Format::Csv => encode::csv(result).into_bytes(),
        Format::Arrow => encode::arrow(result).map_err(internal)?,
    };
    let mut response = ([(CONTENT_TYPE, format.content_type())], body).into_response();
    if result.cut.is_some() {
        response
            .headers_mut()
            .insert(TRUNCATED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// An integer as a number where it has 64 bits, else as text.
pub(super) fn whole(value: i128) -> Value {
    match i64::try_from(value) {
        Ok(value) => value.into(),
        Err(_) => value.to_string().into(),
    }
}

/// The rows are text already and stand first; the rest follows.
fn json(
    result: &ResultSet,
    rows_name: &str,
    mut envelope: Map<String, Value>,
) -> crate::error::Result<String> {
    envelope.insert("truncated".to_owned(), Value::Bool(result.cut.is_some()));
    let warnings = envelope
        .entry("warnings")
        .or_insert_with(|| Value::Array(Vec::new()));
    if let (Value::Array(warnings), Some(cut)) = (warnings, &result.cut) {
        warnings.push(Value::String(cut.clone()));
    }
    let rest = serde_json::to_string(&envelope)?;
    Ok(format!(
        "{{\"{rows_name}\":{},{}",
        encode::json_rows(result),
        rest.strip_prefix('{').unwrap_or(&rest)
    ))
}

/// Notes where the answer goes on, for whoever gets the rows only.
pub(super) fn with_next_cursor(mut response: Response, cursor: Option<&str>) -> Response {
    if let Some(value) = cursor.and_then(|cursor| HeaderValue::from_str(cursor).ok()) {
        response.headers_mut().insert(NEXT_CURSOR, value);
    }
    response
}

/// Asks one of the API's own questions, and tells the cursor of the next page.
pub(super) async fn ask(
    shared: &Shared,
    question: Question,
) -> crate::error::Result<(ResultSet, Option<String>)> {
    let limits = Limits {
        rows: question.limit,
        bytes: RESULT_MAX_BYTES,
    };
    shared
        .reads
        .read(shared.options.sql_timeout, move |connection| {
            let (mut sql, mut params) = (question.sql, question.params);
            if question.reads_hours {
                let summed = summed(connection)?.as_i64();
                params.insert("summed".to_owned(), duckdb::types::Value::BigInt(summed));
            }
            let (keys, head) = match question.pages {
                Pages::None => (Vec::new(), 0),
                Pages::Kept(keys) => (keys, 0),
                Pages::Pinned(keys, head) => {
                    let last = || {
                        let checkpoint = read_checkpoint(connection)?;
                        Ok::<_, Error>(checkpoint.map_or(0, |at| at.journal_id.as_i64()))
                    };
                    let head = head.map_or_else(last, Ok)?;
                    params.insert("head".to_owned(), duckdb::types::Value::BigInt(head));
                    (keys, head)
                }
            };
            if let Some(by_source) = question.by_source {
                by_source.pick(connection, head, &mut sql, &mut params)?;
            }
            let result = statement::run_own(connection, &sql, &params, limits)?;
            let result = result.with_exact_integers();
            let cursor = next_cursor(&result, &keys, head)?;
            Ok((result, cursor))
        })
        .await
}
