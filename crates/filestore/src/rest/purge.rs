//! `POST /v1/backend-mounts/{id}/purge-missing`

use super::{Data, State, data};
use crate::command::{Actor, CommandError};
use crate::purge::Purged;
use axum::http::HeaderMap;
use httpkit::{Caller, Json, Path, Problem};
use serde::Deserialize;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PurgeBody {
    /// Nodes that have been missing for so many days; 0 means all that are missing.
    missing_for_days: u32,
    /// They are counted, and nothing is changed.
    #[serde(default)]
    dry_run: bool,
}

/// Deletes the nodes of a mount that have been missing for long. What the timestore knows of their
/// past stays.
#[utoipa::path(
    post,
    path = "/v1/backend-mounts/{id}/purge-missing",
    operation_id = "purgeMissing",
    tag = "mounts",
    params(
        ("id" = i64, Path, description = "The mount's id"),
        ("X-Filestore-Principal" = Option<String>, Header, description = "On whose behalf"),
    ),
    request_body = PurgeBody,
    responses((status = 200, body = Data<Purged>))
)]
pub(super) async fn purge(
    state: State,
    Path(id): Path<i64>,
    headers: HeaderMap,
    caller: Caller,
    Json(body): Json<PurgeBody>,
) -> Result<Json<Data<Purged>>, Problem> {
    let principal = Actor::from_request(&headers, &caller, None)?.principal;
    let purged = state
        .write(move |filestore| {
            let mount = filestore.mount(id).map_err(CommandError::from)?;
            if mount.is_none() {
                return Err(Problem::not_found(format!("there is no mount {id}")));
            }
            let missing_for = DAY.saturating_mul(body.missing_for_days);
            let purged =
                filestore.purge_missing(id, missing_for, principal.as_deref(), body.dry_run);
            Ok(purged.map_err(CommandError::from)?)
        })
        .await?;
    Ok(data(purged))
}
