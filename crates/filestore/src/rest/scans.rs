//! Scans, started and followed.

use super::{Data, State, data};
use crate::scan::{ScanJob, ScanOptions};
use axum::http::StatusCode;
use httpkit::{Json, Path, Problem, Query};
use serde::Deserialize;
use utoipa::IntoParams;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct ScanQuery {
    /// The mount's root may be another directory than before.
    #[serde(default)]
    accept_root: bool,
}

/// Catalogues what is on disk. A scan that runs already is joined.
#[utoipa::path(
    post,
    path = "/v1/backend-mounts/{id}/scan",
    operation_id = "startScan",
    tag = "mounts",
    params(("id" = i64, Path, description = "The mount's id"), ScanQuery),
    responses((status = 202, body = Data<ScanJob>))
)]
pub(super) async fn start(
    state: State,
    Path(id): Path<i64>,
    Query(query): Query<ScanQuery>,
) -> Result<(StatusCode, Json<Data<ScanJob>>), Problem> {
    let options = ScanOptions {
        accept_root: query.accept_root,
        ..ScanOptions::default()
    };
    let job = state
        .write(move |filestore| Ok(filestore.start_scan(id, options)?))
        .await?;
    Ok((StatusCode::ACCEPTED, data(job)))
}

/// How a scan is doing.
#[utoipa::path(
    get,
    path = "/v1/scans/{id}",
    operation_id = "getScan",
    tag = "mounts",
    params(("id" = String, Path, description = "The job's id")),
    responses((status = 200, body = Data<ScanJob>))
)]
pub(super) async fn get(
    state: State,
    Path(id): Path<String>,
) -> Result<Json<Data<ScanJob>>, Problem> {
    let job = state.scan_job(&id);
    job.map(data)
        .ok_or_else(|| Problem::not_found(format!("there is no scan {id:?}")))
}

/// Stops a scan. What it has written is right and stays.
#[utoipa::path(
    delete,
    path = "/v1/scans/{id}",
    operation_id = "cancelScan",
    tag = "mounts",
    params(("id" = String, Path, description = "The job's id")),
    responses((status = 202, body = Data<ScanJob>))
)]
pub(super) async fn cancel(
    state: State,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<Data<ScanJob>>), Problem> {
    let job = state.cancel_scan(&id);
    job.map(|job| (StatusCode::ACCEPTED, data(job)))
        .ok_or_else(|| Problem::not_found(format!("there is no scan {id:?}")))
}
