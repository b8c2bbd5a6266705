//! Ingest and query.

use super::Shared;
use super::answer::{RESULT_MAX_BYTES, answer, negotiate};
use crate::error::Error;
use crate::ingest::{BodyKind, IngestQuery, JsonBody, Receipt, decode};
use crate::query::{self, QueryRequest};
use crate::sight::Sight;
use crate::statement::{self, Limits};
use crate::{catalogue, ingest as pipeline};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use duckdb::params_from_iter;
use httpkit::{Caller, Code, Json, Path, Problem, Query};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

/// Larger than elsewhere: rows come in bulk.
pub(super) const INGEST_BODY_MAX_BYTES: usize = 64 << 20;

/// Ingest rows
///
/// Appends rows to a dataset, in one transaction; a dataset that is not there yet is made. As
/// JSON with schema and partition, or rows only: as NDJSON, or as an Arrow IPC stream.
#[utoipa::path(post, path = "/datasets/{slug}/ingest", tag = "datasets", operation_id = "ingestRows",
    params(("slug" = String, Path, description = "The dataset"), IngestQuery),
    request_body(content(
        (JsonBody = "application/json"),
        (String = "application/x-ndjson"),
        (Vec<u8> = "application/vnd.apache.arrow.stream"),
    )),
    responses(
        (status = 201, description = "The rows are there", body = Receipt),
        (status = 200, description = "They came before with the same idempotency key", body = Receipt),
    ))]
pub(super) async fn ingest(
    State(shared): State<Shared>,
    Path(slug): Path<String>,
    Query(mut query): Query<IngestQuery>,
    headers: HeaderMap,
    body: Bytes,
) -> httpkit::Result<Response> {
    let kind = body_kind(&headers)?;
    for name in ["idempotency-key", "x-idempotency-key"] {
        if let Some(key) = httpkit::header(&headers, name)?.filter(|key| !key.is_empty()) {
            query.idempotency_key.get_or_insert_with(|| key.to_owned());
        }
    }
    let wanted = slug.clone();
    let found = shared
        .reads
        .read(shared.options.sql_timeout, move |connection| {
            catalogue::find(connection, &wanted)
        })
        .await?;
    let now = shared.options.clock.now();
    let decoded = tokio::task::spawn_blocking(move || {
        let present = found.as_ref().map(|dataset| dataset.fields.as_slice());
        decode(kind, &slug, &body, query, present, now)
    });
    // A panic inside the decoder of a hostile body is the body's fault.
    let ingestion = decoded
        .await
        .map_err(|_| Problem::bad_request(Code::InvalidRequest, "the body cannot be read"))??;
    let receipt = shared
        .store
        .write(move |connection| pipeline::ingest(connection, ingestion, now))
        .await?;
    let status = if receipt.idempotent {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    Ok((status, Json(receipt)).into_response())
}

fn body_kind(headers: &HeaderMap) -> httpkit::Result<BodyKind> {
    let served = [
        "application/json",
        "application/x-ndjson",
        "application/ndjson",
        "application/vnd.apache.arrow.stream",
    ];
    Ok(match httpkit::content_type(headers, &served)? {
        "application/json" => BodyKind::Json,
        "application/vnd.apache.arrow.stream" => BodyKind::Arrow,
        _ => BodyKind::NdJson,
    })
}

/// The form of an answer.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct FormatQuery {
    /// `json`, `ndjson`, `csv` or `arrow`, instead of the header `Accept`.
    #[param(value_type = Option<crate::words::FormatWord>, inline)]
    pub(super) format: Option<String>,
}

/// Rows of a dataset.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct QueryAnswer {
    /// One object a row.
    rows: Vec<Map<String, Value>>,
    /// The names in a row, in order.
    columns: Vec<String>,
    /// `raw` or `downsampled`.
    #[schema(value_type = crate::words::QueryMode)]
    mode: String,
    /// There are more rows than these.
    truncated: bool,
    /// What the reader should know.
    warnings: Vec<String>,
}

/// Query a dataset
///
/// Rows in a range of time in the order of time, as they are or downsampled. The range is without
/// its end. A bucket without rows is not in the answer. A token that is limited to paths may ask for
/// the activity, of which it gets the rows at those paths.
#[utoipa::path(post, path = "/datasets/{slug}/query", tag = "datasets", operation_id = "queryDataset",
    params(("slug" = String, Path, description = "The dataset"), FormatQuery),
    request_body = QueryRequest,
    responses((status = 200, description = "The rows", content(
        (QueryAnswer = "application/json"), (String = "text/csv"), (String = "application/x-ndjson"),
        (Vec<u8> = "application/vnd.apache.arrow.stream")))),
    security(("bearer" = ["timestore:read"])))]
pub(super) async fn query(
    State(shared): State<Shared>,
    caller: Caller,
    Path(slug): Path<String>,
    Query(format): Query<FormatQuery>,
    headers: HeaderMap,
    Json(request): Json<QueryRequest>,
) -> httpkit::Result<Response> {
    let format = negotiate(&headers, format.format.as_deref())?;
    let sight = Sight::of(&caller);
    if slug != shared.activity.slug {
        // Other datasets have no paths.
        sight.require_all()?;
    }
    let (result, mode) = shared
        .reads
        .read(shared.options.sql_timeout, move |connection| {
            let dataset = catalogue::get(connection, &slug)?;
            let source = sight.view(connection, &dataset)?;
            let plan = query::plan(&dataset, &source, &request)?;
            let limits = Limits {
                rows: plan.limit,
                bytes: RESULT_MAX_BYTES,
            };
            let params = params_from_iter(plan.params);
            let result = statement::run_own(connection, &plan.sql, params, limits)?;
            Ok::<_, Error>((result, plan.mode))
        })
        .await?;
    let columns: Vec<_> = result
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    let mut envelope = Map::new();
    envelope.insert("columns".to_owned(), columns.into());
    envelope.insert("mode".to_owned(), mode.into());
    answer(&result, format, "rows", envelope)
}
