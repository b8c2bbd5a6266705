//! What datasets there are, and what people say of them.

use super::Shared;
use crate::catalogue::{self, Dataset, Partition, Status};
use crate::datasets::{self, ArchiveRequest, DatasetPatch, ListQuery, NewDataset};
use crate::error::Result;
use crate::schema::Field;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{ETAG, IF_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use duckdb::Connection;
use httpkit::{Json, Path, Problem, Query};
use journal::Time;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

const PARTITIONS_SHOWN: usize = 1_000;

/// A page of the datasets.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DatasetList {
    /// By slug.
    datasets: Vec<DatasetInfo>,
    /// The `cursor` of the next page; null on the last one.
    next_cursor: Option<String>,
}

/// A dataset.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DatasetInfo {
    /// Its number, which may stand for the slug in paths.
    id: String,
    /// Its path segment.
    slug: String,
    /// Its name for people.
    name: String,
    /// What it is for.
    description: Option<String>,
    /// Whether it takes rows.
    status: Status,
    /// Always `duckdb`.
    write_format: &'static str,
    /// Always null: all rows are in one file.
    default_storage_target_id: Option<String>,
    /// A person's, kept as it is.
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
    /// When a person changed it last.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Time,
    /// Its table in SQL.
    table_name: String,
    /// Whether filestore's journal fills it, and nobody else.
    is_activity: bool,
    /// Its fields.
    fields: Vec<Field>,
    /// How many rows it has.
    rows: i64,
}

/// A dataset with its partitions.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DatasetDetail {
    /// The dataset.
    dataset: DatasetInfo,
    /// Its partitions, the latest first, at most 1,000. The activity has none.
    partitions: Vec<Partition>,
}

/// A dataset after a change.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DatasetChanged {
    /// The dataset.
    dataset: DatasetInfo,
    /// Its `updatedAt`, for `ifMatch`.
    etag: String,
}

/// List datasets
///
/// By slug. Archived ones are left out, unless `status` says otherwise.
#[utoipa::path(get, path = "/admin/datasets", tag = "datasets", operation_id = "listDatasets", params(ListQuery),
    responses((status = 200, description = "The datasets", body = DatasetList)))]
pub(super) async fn list(
    State(shared): State<Shared>,
    Query(query): Query<ListQuery>,
) -> httpkit::Result<Json<DatasetList>> {
    let page = shared
        .reads
        .read(shared.options.sql_timeout, move |connection| {
            let (found, next_cursor) = datasets::list(connection, &query)?;
            let datasets = found
                .into_iter()
                .map(|found| info(connection, found))
                .collect::<Result<_>>()?;
            Ok(DatasetList {
                datasets,
                next_cursor,
            })
        })
        .await?;
    Ok(Json(page))
}

/// Make a dataset
///
/// Without fields: rows that come in bring them. The same once more changes nothing; another one of
/// the same slug: 409.
#[utoipa::path(post, path = "/admin/datasets", tag = "datasets", operation_id = "createDataset", request_body = NewDataset,
    responses((status = 201, description = "It is made", body = DatasetChanged),
        (status = 200, description = "It is there already", body = DatasetChanged)),
    security(("bearer" = ["timestore:admin"])))]
pub(super) async fn create(
    State(shared): State<Shared>,
    Json(request): Json<NewDataset>,
) -> httpkit::Result<Response> {
    let now = shared.options.clock.now();
    let (dataset, is_new) = shared
        .store
        .write(move |connection| {
            let (dataset, is_new) = datasets::create(connection, request, now)?;
            Ok((info(connection, dataset)?, is_new))
        })
        .await?;
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok(changed(status, dataset))
}

/// Get a dataset
#[utoipa::path(get, path = "/admin/datasets/{slug}", tag = "datasets", operation_id = "getDataset",
    params(("slug" = String, Path, description = "The dataset's slug, or its id")),
    responses((status = 200, description = "The dataset and its partitions", body = DatasetDetail)))]
pub(super) async fn get(
    State(shared): State<Shared>,
    Path(slug): Path<String>,
) -> httpkit::Result<Json<DatasetDetail>> {
    let detail = shared
        .reads
        .read(shared.options.sql_timeout, move |connection| {
            let dataset = catalogue::resolve(connection, &slug)?;
            let partitions = catalogue::partitions(connection, dataset.id, PARTITIONS_SHOWN)?;
            Ok(DatasetDetail {
                dataset: info(connection, dataset)?,
                partitions,
            })
        })
        .await?;
    Ok(Json(detail))
}

/// Change a dataset
///
/// With `ifMatch`, or the header `If-Match`, only if nobody changed it meanwhile: else 412.
#[utoipa::path(patch, path = "/admin/datasets/{slug}", tag = "datasets", operation_id = "patchDataset",
    params(("slug" = String, Path, description = "The dataset's slug, or its id")),
    request_body = DatasetPatch,
    responses((status = 200, description = "The dataset", body = DatasetChanged)),
    security(("bearer" = ["timestore:admin"])))]
pub(super) async fn patch(
    State(shared): State<Shared>,
    Path(slug): Path<String>,
    headers: HeaderMap,
    Json(mut request): Json<DatasetPatch>,
) -> httpkit::Result<Response> {
    request.if_match = request.if_match.or_else(|| if_match(&headers));
    let now = shared.options.clock.now();
    let dataset = shared
        .store
        .write(move |connection| {
            let dataset = datasets::patch(connection, &slug, request, now)?;
            info(connection, dataset)
        })
        .await?;
    Ok(changed(StatusCode::OK, dataset))
}

/// Archive a dataset
///
/// It can be read, and takes no more rows. `PATCH` with the status `active` ends that.
#[utoipa::path(post, path = "/admin/datasets/{slug}/archive", tag = "datasets", operation_id = "archiveDataset",
    params(("slug" = String, Path, description = "The dataset's slug, or its id")),
    request_body = Option<ArchiveRequest>,
    responses((status = 200, description = "The dataset", body = DatasetChanged)),
    security(("bearer" = ["timestore:admin"])))]
pub(super) async fn archive(
    State(shared): State<Shared>,
    Path(slug): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> httpkit::Result<Response> {
    let mut request: ArchiveRequest = match body.trim_ascii() {
        [] => ArchiveRequest::default(),
        [b'{', ..] => serde_json::from_slice(&body).map_err(|error| {
            Problem::bad_request(httpkit::Code::MalformedJson, error.to_string())
        })?,
        _ => {
            return Err(Problem::bad_request(
                httpkit::Code::MalformedJson,
                "send an object, or nothing",
            ));
        }
    };
    request.if_match = request.if_match.or_else(|| if_match(&headers));
    let now = shared.options.clock.now();
    let reason = request.reason.clone();
    let dataset = shared
        .store
        .write(move |connection| {
            let dataset = datasets::archive(connection, &slug, &request, now)?;
            info(connection, dataset)
        })
        .await?;
    tracing::info!(dataset = dataset.slug, reason, "dataset archived");
    Ok(changed(StatusCode::OK, dataset))
}

/// What a dataset consists of.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ManifestAnswer {
    dataset_id: String,
    manifest: Manifest,
}

/// The partitions of a dataset as they are now.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    /// Changes with each ingestion.
    id: String,
    dataset_id: String,
    /// The number of the newest partition.
    version: i64,
    /// Always `published`: rows can be read as soon as they are there.
    status: &'static str,
    partition_count: usize,
    total_rows: i64,
    total_bytes: i64,
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Time,
    #[schema(value_type = String, format = DateTime)]
    published_at: Time,
    /// The latest first.
    partitions: Vec<ManifestPartition>,
}

/// A partition in a manifest.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ManifestPartition {
    id: String,
    dataset_id: String,
    /// As the writer called it.
    #[schema(value_type = Object)]
    partition_key: Value,
    /// Always `duckdb`.
    file_format: &'static str,
    file_size_bytes: i64,
    row_count: i64,
    #[schema(value_type = String, format = DateTime)]
    start_time: Time,
    #[schema(value_type = String, format = DateTime)]
    end_time: Time,
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
}

/// Get a dataset's manifest
///
/// All of its partitions. 404, if it has none.
#[utoipa::path(get, path = "/admin/datasets/{slug}/manifest", tag = "datasets", operation_id = "getManifest",
    params(("slug" = String, Path, description = "The dataset's slug, or its id")),
    responses((status = 200, description = "The partitions", body = ManifestAnswer)))]
pub(super) async fn manifest(
    State(shared): State<Shared>,
    Path(slug): Path<String>,
) -> httpkit::Result<Json<ManifestAnswer>> {
    let answer = shared
        .reads
        .read(shared.options.sql_timeout, move |connection| {
            let dataset = catalogue::resolve(connection, &slug)?;
            let partitions = catalogue::partitions(connection, dataset.id, usize::MAX)?;
            manifest_of(&dataset, partitions)
        })
        .await?;
    Ok(Json(answer))
}

fn manifest_of(dataset: &Dataset, partitions: Vec<Partition>) -> Result<ManifestAnswer> {
    let none = || {
        crate::error::Error::NotFound(format!("the dataset {:?} has no partitions", dataset.slug))
    };
    let newest = partitions.iter().map(|partition| partition.id).max();
    let version = newest.ok_or_else(none)?;
    let updated = partitions
        .iter()
        .map(|partition| partition.ingested_at)
        .max();
    let updated_at = updated.ok_or_else(none)?;
    let dataset_id = dataset.id.to_string();
    let manifest = Manifest {
        id: format!("{dataset_id}-{version}-{}", updated_at.as_millis()),
        dataset_id: dataset_id.clone(),
        version,
        status: "published",
        partition_count: partitions.len(),
        total_rows: partitions.iter().map(|partition| partition.rows).sum(),
        total_bytes: partitions.iter().map(|partition| partition.bytes).sum(),
        created_at: updated_at,
        updated_at,
        published_at: updated_at,
        partitions: partitions
            .into_iter()
            .map(|partition| ManifestPartition {
                id: partition.id.to_string(),
                dataset_id: dataset_id.clone(),
                partition_key: partition.key,
                file_format: "duckdb",
                file_size_bytes: partition.bytes,
                row_count: partition.rows,
                start_time: partition.start,
                end_time: partition.end,
                created_at: partition.ingested_at,
            })
            .collect(),
    };
    Ok(ManifestAnswer {
        dataset_id,
        manifest,
    })
}

fn if_match(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(IF_MATCH)?.to_str().ok()?.trim();
    (value != "*").then(|| value.to_owned())
}

fn changed(status: StatusCode, dataset: DatasetInfo) -> Response {
    let etag = dataset.updated_at.to_string();
    let header = HeaderValue::try_from(format!("\"{etag}\"")).ok();
    let headers: HeaderMap = header.map(|value| (ETAG, value)).into_iter().collect();
    (status, headers, Json(DatasetChanged { dataset, etag })).into_response()
}

fn info(connection: &Connection, dataset: Dataset) -> Result<DatasetInfo> {
    let sql = format!("SELECT count(*) FROM {}", dataset.quoted_table());
    Ok(DatasetInfo {
        rows: connection.query_row(&sql, [], |row| row.get(0))?,
        id: dataset.id.to_string(),
        slug: dataset.slug,
        name: dataset.name,
        description: dataset.description,
        status: dataset.status,
        write_format: "duckdb",
        default_storage_target_id: None,
        metadata: dataset.metadata,
        created_at: dataset.created_at,
        updated_at: dataset.updated_at,
        table_name: dataset.table,
        is_activity: dataset.is_activity,
        fields: dataset.fields,
    })
}
