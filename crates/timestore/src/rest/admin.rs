//! What datasets there are, and how long their rows are kept.

use super::Shared;
use crate::catalogue::{self, Dataset, Partition};
use crate::error::Result;
use crate::retention::{self, Retention};
use crate::schema::Field;
use axum::extract::State;
use duckdb::Connection;
use httpkit::{Caller, Json, Path};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

const PARTITIONS_SHOWN: usize = 1_000;

/// All datasets.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DatasetList {
    /// By slug.
    datasets: Vec<DatasetInfo>,
}

/// A dataset.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DatasetInfo {
    /// Its path segment.
    slug: String,
    /// Its name for people.
    name: String,
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

/// List datasets
#[utoipa::path(get, path = "/admin/datasets", tag = "datasets",
    responses((status = 200, description = "The datasets", body = DatasetList)))]
pub(super) async fn list(State(shared): State<Shared>) -> httpkit::Result<Json<DatasetList>> {
    let datasets = shared
        .reads
        .read(shared.options.sql_timeout, |connection| {
            catalogue::list(connection)?
                .into_iter()
                .map(|found| info(connection, found))
                .collect()
        })
        .await?;
    Ok(Json(DatasetList { datasets }))
}

/// Get a dataset
#[utoipa::path(get, path = "/admin/datasets/{slug}", tag = "datasets",
    params(("slug" = String, Path, description = "The dataset")),
    responses((status = 200, description = "The dataset and its partitions", body = DatasetDetail)))]
pub(super) async fn get(
    State(shared): State<Shared>,
    Path(slug): Path<String>,
) -> httpkit::Result<Json<DatasetDetail>> {
    let detail = shared
        .reads
        .read(shared.options.sql_timeout, move |connection| {
            let dataset = catalogue::get(connection, &slug)?;
            let partitions = catalogue::partitions(connection, dataset.id, PARTITIONS_SHOWN)?;
            Ok(DatasetDetail {
                dataset: info(connection, dataset)?,
                partitions,
            })
        })
        .await?;
    Ok(Json(detail))
}

/// How long rows are to be kept.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RetentionRequest {
    /// Partitions are dropped when their range ended so many hours ago; null keeps all.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(required)]
    max_age_hours: Option<u32>,
}

/// Get a dataset's retention
#[utoipa::path(get, path = "/admin/datasets/{slug}/retention", tag = "datasets",
    params(("slug" = String, Path, description = "The dataset")),
    responses((status = 200, description = "The age, and what was dropped so far", body = Retention)))]
pub(super) async fn get_retention(
    State(shared): State<Shared>,
    Path(slug): Path<String>,
) -> httpkit::Result<Json<Retention>> {
    let retention = shared
        .reads
        .read(shared.options.sql_timeout, move |connection| {
            retention::get(connection, &slug)
        })
        .await?;
    Ok(Json(retention))
}

/// Set a dataset's retention
///
/// Partitions that are too old already are dropped at once, others within ten minutes of growing so
/// old. The activity is kept whole: 409.
#[utoipa::path(put, path = "/admin/datasets/{slug}/retention", tag = "datasets",
    params(("slug" = String, Path, description = "The dataset")),
    request_body = RetentionRequest,
    responses((status = 200, description = "The age, and what was dropped so far", body = Retention)))]
pub(super) async fn put_retention(
    State(shared): State<Shared>,
    Path(slug): Path<String>,
    caller: Caller,
    Json(request): Json<RetentionRequest>,
) -> httpkit::Result<Json<Retention>> {
    let now = shared.options.clock.now();
    let retention = shared
        .store
        .write(move |connection| {
            retention::set(
                connection,
                &slug,
                request.max_age_hours,
                caller.subject,
                now,
            )
        })
        .await?;
    Ok(Json(retention))
}

fn info(connection: &Connection, dataset: Dataset) -> Result<DatasetInfo> {
    let sql = format!("SELECT count(*) FROM {}", dataset.quoted_table());
    Ok(DatasetInfo {
        rows: connection.query_row(&sql, [], |row| row.get(0))?,
        slug: dataset.slug,
        name: dataset.name,
        table_name: dataset.table,
        is_activity: dataset.is_activity,
        fields: dataset.fields,
    })
}
