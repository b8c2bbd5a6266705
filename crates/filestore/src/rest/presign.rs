//! `GET /v1/files/{id}/presign`

use super::{Data, State, data, problem};
use crate::Filestore;
use crate::command::CommandError;
use axum::http::HeaderMap;
use backend::Kind;
use catalogue::Node;
use httpkit::{Caller, Code, Json, Path, Problem, Query};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const DEFAULT_SECONDS: u64 = 300;
const MOST_SECONDS: u64 = 3_600;

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct PresignParams {
    /// Seconds until the URL expires: 1 to 3600, default 300. More is taken as 3600.
    expires_in: Option<u64>,
}

/// A download that needs no credentials.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Presigned {
    url: String,
    /// When it stops working.
    #[schema(value_type = String, format = DateTime)]
    expires_at: ::journal::Time,
    /// Headers to send along.
    #[schema(value_type = Object)]
    headers: BTreeMap<String, String>,
    method: &'static str,
}

/// A URL to download a file of an S3 mount with, straight from S3, until it expires.
#[utoipa::path(
    get,
    path = "/v1/files/{id}/presign",
    operation_id = "presignFile",
    tag = "files",
    params(
        ("id" = i64, Path, description = "The node's id"),
        PresignParams,
        ("X-Filestore-Principal" = Option<String>, Header,
            description = "On whose behalf; with tokens only with the scope `filestore:impersonate`"),
    ),
    security(("bearer" = ["read"]), ("bearer" = ["impersonate"])),
    responses((status = 200, body = Data<Presigned>))
)]
pub(super) async fn presign(
    state: State,
    Path(id): Path<i64>,
    Query(params): Query<PresignParams>,
    headers: HeaderMap,
    caller: Caller,
) -> Result<Json<Data<Presigned>>, Problem> {
    let seconds = params.expires_in.unwrap_or(DEFAULT_SECONDS);
    if seconds == 0 {
        return Err(Problem::invalid("/expiresIn", "use 1 to 3600 seconds"));
    }
    let expires_in = Duration::from_secs(seconds.min(MOST_SECONDS));
    let principal = super::Actor::from_request(&headers, &caller, None)?.principal;
    let (node, presigned) = state
        .read_blocking(move |filestore| presigned(filestore, id, expires_in))
        .await?;
    tokio::spawn(Arc::clone(&state.filestore).downloaded(node, principal, "presign", None));
    Ok(data(presigned))
}

fn presigned(
    filestore: &Filestore,
    id: i64,
    expires_in: Duration,
) -> Result<(Node, Presigned), Problem> {
    let node = filestore.regular_file(id)?;
    let place = filestore
        .opener
        .by_id(node.mount_id)
        .map_err(CommandError::from)?;
    let Kind::Bucket(bucket) = place.backend.kind() else {
        let detail = "only files of S3 mounts have URLs of their own: use /content";
        return Err(Problem::bad_request(Code::Unsupported, detail));
    };
    let now = filestore.catalogue.clock().now().as_millis();
    let millis = i64::try_from(expires_in.as_millis()).unwrap_or(i64::MAX);
    let presigned = Presigned {
        url: bucket
            .presign(&node.path, expires_in)
            .map_err(problem::of_backend)?,
        expires_at: ::journal::Time::from_millis(now.saturating_add(millis)),
        headers: BTreeMap::new(),
        method: "GET",
    };
    Ok((node, presigned))
}
