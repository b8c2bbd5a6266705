//! `POST /v1/files`

use super::form::BoundedForm;
use super::upload::{self, Form};
use super::{CommandHeaders, Data, State, params};
use crate::command::{Actor, Answer, Upload};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use httpkit::{Caller, Problem};
use std::collections::HashMap;

/// The parts of an upload, in any order; staging is quicker when `file` comes last.
#[derive(Debug, utoipa::ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(
    dead_code,
    reason = "it describes the form, which is read part by part"
)]
pub(super) struct UploadForm {
    /// The contents.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    backend_mount_id: i64,
    /// Relative to the mount. Directories above it that are missing are made.
    path: String,
    /// A JSON object, as text.
    metadata: Option<String>,
    /// Replace a file that is there.
    overwrite: Option<bool>,
    /// Only if the node there is at this version.
    expected_version: Option<i64>,
    idempotency_key: Option<String>,
}

/// Uploads a file. It is there as a whole or not at all.
#[utoipa::path(
    post,
    path = "/v1/files",
    operation_id = "uploadFile",
    tag = "commands",
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    params(
        CommandHeaders,
        ("X-Filestore-Checksum" = Option<String>, Header,
            description = "`sha256:<hex>`, also `sha1:`, `md5:`, `blake3:`; refused if it differs"),
        ("X-Filestore-Content-Hash" = Option<String>, Header, description = "Checked likewise"),
    ),
    security(("bearer" = ["write"]), ("bearer" = ["impersonate"])),
    responses(
        (status = 201, body = Data<Answer>),
        (status = 200, body = Data<Answer>, description = "Uploaded before, for the same key"),
    )
)]
pub(super) async fn upload(
    state: State,
    headers: HeaderMap,
    caller: Caller,
    form: BoundedForm,
) -> Result<Response, Problem> {
    let Form {
        mut fields,
        content,
        checksum,
    } = state.read_form(&headers, form).await?;
    let mut needed = |name: &str| {
        fields
            .remove(name)
            .ok_or_else(|| Problem::invalid(&format!("/{name}"), "the form lacks this part"))
    };
    let ask = Upload {
        mount_id: upload::mount_id(&needed("backendMountId")?)?,
        path: params::target("/path", &needed("path")?)?,
        metadata: params::metadata("/metadata", json(&fields, "metadata")?)?,
        overwrite: json(&fields, "overwrite")?.unwrap_or(false),
        expected_version: json(&fields, "expectedVersion")?,
        checksum,
    };
    let key = fields
        .remove("idempotencyKey")
        .filter(|key| !key.is_empty());
    let actor = Actor::from_request(&headers, &caller, key)?;
    state
        .command(StatusCode::CREATED, move |commands| {
            commands.upload(actor, &ask, content)
        })
        .await
}

/// The value of a field that holds JSON.
fn json<T: serde::de::DeserializeOwned>(
    fields: &HashMap<String, String>,
    name: &str,
) -> Result<Option<T>, Problem> {
    let Some(text) = fields.get(name).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    httpkit::json::from_slice(text.as_bytes())
        .map(Some)
        .map_err(|fault| fault.below(&format!("/{name}")))
}
