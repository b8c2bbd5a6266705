//! `/v1/reconciliation`

use super::{Data, State, data, params};
use crate::reconcile::Ask;
use ::journal::{JobStatus, ReconcileReason};
use axum::http::StatusCode;
use catalogue::jobs::{self, Job, Listing};
use catalogue::{mounts, nodes};
use httpkit::{Cursor, Json, Path, Problem, Query};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

const DEFAULT: u32 = 50;
const MOST: u32 = 200;

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReconcileBody {
    /// The mount.
    backend_mount_id: i64,
    /// What is compared; `""` or `/` is the mount's root. May be left out with `nodeId`.
    path: Option<String>,
    /// The node that is meant, wherever it is now.
    node_id: Option<i64>,
    /// `manual`, if left out; `drift`, `audit`.
    #[schema(value_type = Option<crate::words::ReconcileReason>)]
    reason: Option<String>,
    /// All that is below is compared too.
    #[serde(default)]
    detect_children: bool,
    /// The content hash is computed; with `detectChildren`, of all files below that have none.
    #[serde(default)]
    requested_hash: bool,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Enqueued {
    /// Always true.
    enqueued: bool,
    /// ＋ The job: a new one, or one that waits for the same.
    job: Job,
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct JobParams {
    /// Jobs of this mount.
    backend_mount_id: Option<i64>,
    /// Jobs about this path or one below it.
    path: Option<String>,
    /// `queued`, `running`, `succeeded`, `failed`, `skipped`, `cancelled`, comma-separated or
    /// repeated.
    #[serde(default)]
    status: Vec<String>,
    /// At most so many, default 50, at most 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// After so many.
    offset: Option<u32>,
    /// ＋ The `nextCursor` of the page before: right while jobs come and go.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct JobList {
    /// Newest first.
    jobs: Vec<Job>,
    pagination: JobPagination,
    /// What was asked for.
    #[schema(value_type = Object)]
    filters: Map<String, Value>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct JobPagination {
    total: i64,
    limit: u32,
    offset: u32,
    next_offset: Option<u32>,
    /// ＋ The `cursor` of the next page.
    #[schema(value_type = Option<String>)]
    next_cursor: Option<Cursor>,
}

/// Compares a node with the disk, and sets the catalogue right.
#[utoipa::path(
    post,
    path = "/v1/reconciliation",
    operation_id = "startReconciliation",
    tag = "reconciliation",
    request_body = ReconcileBody,
    responses((status = 202, body = Data<Enqueued>))
)]
pub(super) async fn start(
    state: State,
    Json(body): Json<ReconcileBody>,
) -> Result<(StatusCode, Json<Data<Enqueued>>), Problem> {
    let reason = match body.reason.as_deref() {
        None => ReconcileReason::Manual,
        Some(word) => ReconcileReason::from_word(word)
            .ok_or_else(|| Problem::invalid("/reason", "use one of manual, drift, audit"))?,
    };
    let given = body.path.as_deref().map(|path| params::path("/path", path));
    let given = given.transpose()?;
    let (mount_id, node_id) = (body.backend_mount_id, body.node_id);
    let (mount, node) = state
        .query(move |connection| {
            let mount = mounts::by_id(connection, mount_id)?;
            let node = node_id.map(|id| nodes::by_id(connection, id)).transpose()?;
            Ok((mount, node.flatten()))
        })
        .await?;
    if mount.is_none() {
        let detail = format!("there is no mount {mount_id}");
        return Err(Problem::not_found(&detail).with_field("/backendMountId", detail));
    }
    let node = node.filter(|node| node.mount_id == mount_id);
    let path = match (given, node_id, node) {
        (_, Some(id), None) => {
            let detail = format!("there is no node {id} in mount {mount_id}");
            return Err(Problem::not_found(&detail).with_field("/nodeId", detail));
        }
        (_, _, Some(node)) => params::path("/nodeId", &node.path)?,
        (Some(path), ..) => path,
        (None, ..) => {
            return Err(Problem::invalid("/path", "give a path or a nodeId"));
        }
    };
    let ask = Ask {
        mount_id,
        path,
        node_id,
        reason,
        detect_children: body.detect_children,
        requested_hash: body.requested_hash,
    };
    let job = state
        .write(move |filestore| Ok(filestore.reconciler.enqueue(ask)?))
        .await?;
    let enqueued = Enqueued {
        enqueued: true,
        job,
    };
    Ok((StatusCode::ACCEPTED, data(enqueued)))
}

/// The jobs.
#[utoipa::path(
    get,
    path = "/v1/reconciliation/jobs",
    operation_id = "listReconciliationJobs",
    tag = "reconciliation",
    params(JobParams),
    responses((status = 200, body = Data<JobList>))
)]
pub(super) async fn list(
    state: State,
    Query(asked): Query<JobParams>,
) -> Result<Json<Data<JobList>>, Problem> {
    let status = params::words("/status", &asked.status, JobStatus::from_word)?;
    let path = asked
        .path
        .as_deref()
        .map(|path| params::path("/path", path));
    let listing = Listing {
        mount_id: asked.backend_mount_id,
        path: path.transpose()?.map(|path| path.to_string()),
        status,
        limit: params::limit(asked.limit, DEFAULT, MOST)?,
        offset: asked.offset.unwrap_or(0),
        before: params::cursor(asked.cursor.as_ref(), asked.offset)?,
    };
    let filters = json!({
        "backendMountId": listing.mount_id, "path": listing.path, "status": listing.status,
    });
    let (limit, offset, is_first) = (listing.limit, listing.offset, listing.before.is_none());
    let (jobs, total) = state
        .query(move |connection| jobs::list(connection, &listing))
        .await?;
    let count = u32::try_from(jobs.len()).unwrap_or(u32::MAX);
    let next = offset.saturating_add(count);
    let is_full = jobs.last().filter(|_| count == limit);
    let pagination = JobPagination {
        total,
        limit,
        offset,
        next_offset: (is_first && i64::from(next) < total && !jobs.is_empty()).then_some(next),
        next_cursor: is_full.map(|last| Cursor::of(&last.id)).transpose()?,
    };
    Ok(data(JobList {
        jobs,
        pagination,
        filters: filters.as_object().cloned().unwrap_or_default(),
    }))
}

/// A job.
#[utoipa::path(
    get,
    path = "/v1/reconciliation/jobs/{id}",
    operation_id = "getReconciliationJob",
    tag = "reconciliation",
    params(("id" = i64, Path, description = "The job's id")),
    responses((status = 200, body = Data<Job>))
)]
pub(super) async fn get(state: State, Path(id): Path<i64>) -> Result<Json<Data<Job>>, Problem> {
    let job = state
        .query(move |connection| jobs::by_id(connection, id))
        .await?;
    job.map(data).ok_or_else(|| no_job(id))
}

/// ＋ Stops a job. What it has set right stays so.
#[utoipa::path(
    delete,
    path = "/v1/reconciliation/jobs/{id}",
    operation_id = "cancelReconciliationJob",
    tag = "reconciliation",
    params(("id" = i64, Path, description = "The job's id")),
    responses((status = 202, body = Data<Job>))
)]
pub(super) async fn cancel(
    state: State,
    Path(id): Path<i64>,
) -> Result<(StatusCode, Json<Data<Job>>), Problem> {
    let job = state
        .write(move |filestore| Ok(filestore.reconciler.cancel_job(id)?))
        .await?;
    job.map(|job| (StatusCode::ACCEPTED, data(job)))
        .ok_or_else(|| no_job(id))
}

fn no_job(id: i64) -> Problem {
    Problem::not_found(format!("there is no reconciliation job {id}"))
}
