//! What is done to nodes: delete, move, copy, metadata.

use super::{CommandHeaders, Data, State, params};
use crate::command::{Actor, Answer, CopyNode, DeleteNode, MoveNode, PatchMetadata};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use httpkit::{Caller, Json, Path, Problem};
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeleteBody {
    backend_mount_id: i64,
    path: String,
    /// Needed for a directory that is not empty.
    #[serde(default)]
    recursive: bool,
    /// Only if the node is at this version.
    expected_version: Option<i64>,
    idempotency_key: Option<String>,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct MoveBody {
    backend_mount_id: i64,
    path: String,
    /// Where it goes: its whole new path. Directories above it that are missing are made.
    target_path: String,
    /// The same mount if left out.
    target_backend_mount_id: Option<i64>,
    /// Replace a file that is there.
    #[serde(default)]
    overwrite: bool,
    /// Only if the node is at this version.
    expected_version: Option<i64>,
    idempotency_key: Option<String>,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CopyBody {
    backend_mount_id: i64,
    path: String,
    /// Where the copy goes: its whole path. Directories above it that are missing are made.
    target_path: String,
    /// The same mount if left out.
    target_backend_mount_id: Option<i64>,
    /// Replace a file that is there.
    #[serde(default)]
    overwrite: bool,
    idempotency_key: Option<String>,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct MetadataBody {
    /// Checked, if it is given.
    backend_mount_id: Option<i64>,
    /// Keys and their new values.
    #[schema(value_type = Object)]
    #[serde(default)]
    set: Map<String, Value>,
    /// Keys to be removed.
    #[serde(default)]
    unset: Vec<String>,
    /// Only if the node is at this version.
    expected_version: Option<i64>,
    idempotency_key: Option<String>,
}

/// Deletes a file, an empty directory, or, if recursive, a directory with all in it.
#[utoipa::path(
    delete,
    path = "/v1/nodes",
    operation_id = "deleteNode",
    tag = "commands",
    request_body = DeleteBody,
    params(CommandHeaders),
    security(("bearer" = ["write"]), ("bearer" = ["impersonate"])),
    responses((status = 200, body = Data<Answer>))
)]
pub(super) async fn delete(
    state: State,
    headers: HeaderMap,
    caller: Caller,
    Json(body): Json<DeleteBody>,
) -> Result<Response, Problem> {
    let ask = DeleteNode {
        mount_id: body.backend_mount_id,
        path: params::target("/path", &body.path)?,
        recursive: body.recursive,
        expected_version: body.expected_version,
    };
    let actor = Actor::from_request(&headers, &caller, body.idempotency_key)?;
    state
        .command(StatusCode::OK, move |commands| commands.delete(actor, &ask))
        .await
}

/// Moves or renames a node, with all below it. It keeps its id.
#[utoipa::path(
    post,
    path = "/v1/nodes/move",
    operation_id = "moveNode",
    tag = "commands",
    request_body = MoveBody,
    params(CommandHeaders),
    security(("bearer" = ["write"]), ("bearer" = ["impersonate"])),
    responses((status = 200, body = Data<Answer>))
)]
pub(super) async fn relocate(
    state: State,
    headers: HeaderMap,
    caller: Caller,
    Json(body): Json<MoveBody>,
) -> Result<Response, Problem> {
    let ask = MoveNode {
        mount_id: body.backend_mount_id,
        path: params::target("/path", &body.path)?,
        target_mount_id: body
            .target_backend_mount_id
            .unwrap_or(body.backend_mount_id),
        target_path: params::target("/targetPath", &body.target_path)?,
        overwrite: body.overwrite,
        expected_version: body.expected_version,
    };
    let actor = Actor::from_request(&headers, &caller, body.idempotency_key)?;
    state
        .command(StatusCode::OK, move |commands| {
            commands.move_node(actor, &ask)
        })
        .await
}

/// Copies a file, or a directory with all in it. What is on disk below it and not catalogued is
/// copied too.
#[utoipa::path(
    post,
    path = "/v1/nodes/copy",
    operation_id = "copyNode",
    tag = "commands",
    request_body = CopyBody,
    params(CommandHeaders),
    security(("bearer" = ["write"]), ("bearer" = ["impersonate"])),
    responses(
        (status = 201, body = Data<Answer>),
        (status = 200, body = Data<Answer>, description = "Copied before, for the same key"),
    )
)]
pub(super) async fn copy(
    state: State,
    headers: HeaderMap,
    caller: Caller,
    Json(body): Json<CopyBody>,
) -> Result<Response, Problem> {
    let ask = CopyNode {
        mount_id: body.backend_mount_id,
        path: params::target("/path", &body.path)?,
        target_mount_id: body
            .target_backend_mount_id
            .unwrap_or(body.backend_mount_id),
        target_path: params::target("/targetPath", &body.target_path)?,
        overwrite: body.overwrite,
    };
    let actor = Actor::from_request(&headers, &caller, body.idempotency_key)?;
    state
        .command(StatusCode::CREATED, move |commands| {
            commands.copy_node(actor, &ask)
        })
        .await
}

/// Changes what people wrote on a node.
#[utoipa::path(
    patch,
    path = "/v1/nodes/{id}/metadata",
    operation_id = "patchNodeMetadata",
    tag = "commands",
    params(("id" = i64, Path, description = "The node's id"), CommandHeaders),
    security(("bearer" = ["write"]), ("bearer" = ["impersonate"])),
    request_body = MetadataBody,
    responses((status = 200, body = Data<Answer>))
)]
pub(super) async fn patch_metadata(
    state: State,
    Path(id): Path<i64>,
    headers: HeaderMap,
    caller: Caller,
    Json(body): Json<MetadataBody>,
) -> Result<Response, Problem> {
    if body.set.is_empty() && body.unset.is_empty() {
        return Err(Problem::invalid("/set", "nothing is to be set or unset"));
    }
    let ask = PatchMetadata {
        mount_id: body.backend_mount_id,
        node_id: id,
        set: params::metadata("/set", Some(body.set))?.unwrap_or_default(),
        unset: body.unset,
        expected_version: body.expected_version,
    };
    let actor = Actor::from_request(&headers, &caller, body.idempotency_key)?;
    state
        .command(StatusCode::OK, move |commands| {
            commands.patch_metadata(actor, &ask)
        })
        .await
}
