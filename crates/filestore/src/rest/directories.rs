//! `/v1/directories`

use super::{CommandHeaders, Data, State, params};
use crate::command::{Actor, Answer, CreateDirectory};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use httpkit::{Caller, Json, Problem};
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CreateDirectoryBody)]
pub(super) struct CreateBody {
    backend_mount_id: i64,
    /// Relative to the mount. Directories above it that are missing are made too.
    path: String,
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
    idempotency_key: Option<String>,
}

/// Makes a directory.
#[utoipa::path(
    post,
    path = "/v1/directories",
    operation_id = "createDirectory",
    tag = "commands",
    request_body = CreateBody,
    params(CommandHeaders),
    security(("bearer" = ["write"]), ("bearer" = ["impersonate"])),
    responses(
        (status = 201, body = Data<Answer>),
        (status = 200, body = Data<Answer>, description = "Made before, for the same key"),
    )
)]
pub(super) async fn create(
    state: State,
    headers: HeaderMap,
    caller: Caller,
    Json(body): Json<CreateBody>,
) -> Result<Response, Problem> {
    let ask = CreateDirectory {
        mount_id: body.backend_mount_id,
        path: params::target("/path", &body.path)?,
        metadata: params::metadata("/metadata", body.metadata)?,
    };
    let actor = Actor::from_request(&headers, &caller, body.idempotency_key)?;
    state
        .command(StatusCode::CREATED, move |commands| {
            commands.create_directory(actor, &ask)
        })
        .await
}
