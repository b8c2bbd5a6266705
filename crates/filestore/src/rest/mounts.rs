//! `/v1/backend-mounts`

use super::params::{limit, present, words};
use super::{Data, State, data};
use crate::Filestore;
use crate::hashing::HashingStatus;
use crate::mount::{MountPatch, NewAt, NewMount, Notes};
use crate::mount_health::MountHealth;
use crate::watch::WatchStatus;
use axum::http::StatusCode;
use catalogue::mounts::{self, AccessMode, BackendKind, Mount, MountState};
use httpkit::{Json, Path, Problem, Query};
use journal::compare::fold;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::path::PathBuf;

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct ListParams {
    /// `local`, `s3`, comma-separated or repeated.
    #[serde(default)]
    kinds: Vec<String>,
    /// `active`, `inactive`, comma-separated or repeated.
    #[serde(default)]
    states: Vec<String>,
    /// `rw`, `ro`, comma-separated or repeated.
    #[serde(default)]
    access_modes: Vec<String>,
    /// A part of the key, display name or root.
    search: Option<String>,
    /// At most so many, default 100.
    limit: Option<u32>,
    /// After so many, default 0.
    offset: Option<u32>,
}

/// A mount, and how its changes are seen.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct WatchedMount {
    #[serde(flatten)]
    mount: Mount,
    /// ＋ How changes behind Tidemark's back are seen.
    watch: WatchStatus,
    #[serde(flatten)]
    health: MountHealth,
    /// ＋ How files are hashed in the background; `null` if they are not.
    hashing: Option<HashingStatus>,
}

impl WatchedMount {
    fn of(filestore: &Filestore, mount: Mount) -> Self {
        Self {
            watch: filestore.watching.status(&mount),
            health: filestore.health.of(mount.id),
            hashing: filestore.hasher.status(&mount),
            mount,
        }
    }
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct MountList {
    mounts: Vec<WatchedMount>,
    pagination: MountPagination,
    /// What was asked for.
    #[schema(value_type = Object)]
    filters: Map<String, Value>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct MountPagination {
    total: usize,
    limit: u32,
    offset: u32,
    next_offset: Option<u32>,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CreateMountBody)]
pub(super) struct CreateBody {
    /// 1 to 64 letters, digits, dots, dashes and underscores; derived from the root's name if left
    /// out.
    mount_key: Option<String>,
    backend_kind: BackendKind,
    access_mode: Option<AccessMode>,
    /// The directory of a local mount: absolute, and there.
    root_path: Option<String>,
    /// The bucket of an S3 mount. It must be there, and answer.
    bucket: Option<String>,
    /// The part of the bucket that is mounted: all keys below it.
    prefix: Option<String>,
    /// Its name for people, at most 128 characters.
    display_name: Option<String>,
    /// What it is for, at most 1,024 characters.
    description: Option<String>,
    /// Whom to ask about it, at most 256 characters.
    contact: Option<String>,
    /// At most 32 words of at most 64 characters.
    #[serde(default)]
    labels: Vec<String>,
    state: Option<MountState>,
    /// Why it is in this state, at most 256 characters.
    state_reason: Option<String>,
    /// `hashing`: how files are hashed in the background: `true`, or an object of `minBytes`,
    /// `maxBytes`, `pathGlobs`, `bytesPerSecond`, `concurrency`, `paused`. Local: `crossFilesystems: true` lets scans enter other filesystems mounted
    /// below. S3: `endpoint`, `region`, `allowHttp`, `forcePathStyle`, `credentialsFile`,
    /// `credentialsProfile`, `listPageKeys`; credentials themselves are refused, and come from the
    /// service's environment or the file.
    #[schema(value_type = Object)]
    #[serde(default)]
    config: Map<String, Value>,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PatchMountBody)]
pub(super) struct PatchBody {
    access_mode: Option<AccessMode>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    display_name: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    description: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    contact: Option<Option<String>>,
    labels: Option<Vec<String>>,
    state: Option<MountState>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    state_reason: Option<Option<String>>,
    #[schema(value_type = Option<Object>)]
    config: Option<Map<String, Value>>,
}

/// The mounts.
#[utoipa::path(
    get,
    path = "/v1/backend-mounts",
    operation_id = "listMounts",
    tag = "mounts",
    params(ListParams),
    responses((status = 200, body = Data<MountList>))
)]
pub(super) async fn list(
    state: State,
    Query(params): Query<ListParams>,
) -> Result<Json<Data<MountList>>, Problem> {
    let most = limit(params.limit, 100, 1_000)?;
    let kinds = words("/kinds", &params.kinds, BackendKind::from_word)?;
    let states = words("/states", &params.states, MountState::from_word)?;
    let modes = words("/accessModes", &params.access_modes, AccessMode::from_word)?;
    let search = params.search.as_deref().map(fold);
    let mut mounts = state.query(mounts::all).await?;
    mounts.retain(|mount| {
        let named = [
            Some(&mount.mount_key),
            mount.display_name.as_ref(),
            mount.root_path.as_ref(),
            mount.bucket.as_ref(),
            mount.prefix.as_ref(),
        ];
        let mut named = named.into_iter().flatten();
        (kinds.is_empty() || kinds.contains(&mount.backend_kind))
            && (states.is_empty() || states.contains(&mount.state))
            && (modes.is_empty() || modes.contains(&mount.access_mode))
            && search
                .as_ref()
                .is_none_or(|search| named.any(|name| fold(name).contains(&**search)))
    });
    let (total, offset) = (mounts.len(), params.offset.unwrap_or(0));
    let mounts: Vec<_> = mounts
        .into_iter()
        .skip(usize::try_from(offset).unwrap_or(usize::MAX))
        .take(usize::try_from(most).unwrap_or(usize::MAX))
        .map(|mount| WatchedMount::of(&state, mount))
        .collect();
    let next = offset.saturating_add(u32::try_from(mounts.len()).unwrap_or(u32::MAX));
    let is_more = usize::try_from(next).is_ok_and(|next| next < total);
    let filters = [
        ("kinds", json!(kinds)),
        ("states", json!(states)),
        ("accessModes", json!(modes)),
        ("search", json!(params.search)),
    ];
    let filters = filters.map(|(name, value)| (name.to_owned(), value));
    let pagination = MountPagination {
        total,
        limit: most,
        offset,
        next_offset: is_more.then_some(next),
    };
    Ok(data(MountList {
        mounts,
        pagination,
        filters: filters.into_iter().collect(),
    }))
}

/// Makes a mount. Nothing is catalogued yet: scan it.
#[utoipa::path(
    post,
    path = "/v1/backend-mounts",
    operation_id = "createMount",
    tag = "mounts",
    request_body = CreateBody,
    responses((status = 201, body = Data<WatchedMount>)),
    security(("bearer" = ["filestore:admin"]))
)]
pub(super) async fn create(
    state: State,
    Json(body): Json<CreateBody>,
) -> Result<(StatusCode, Json<Data<WatchedMount>>), Problem> {
    let at = match body.backend_kind {
        BackendKind::Local => NewAt::Directory(local_root(body.root_path)?),
        BackendKind::S3 => NewAt::Bucket {
            bucket: body.bucket,
            prefix: body.prefix,
        },
    };
    let new = NewMount {
        mount_key: body.mount_key,
        access_mode: body.access_mode.unwrap_or(AccessMode::ReadWrite),
        at,
        notes: Notes {
            display_name: body.display_name,
            description: body.description,
            contact: body.contact,
            state_reason: body.state_reason,
        },
        labels: body.labels,
        state: body.state.unwrap_or(MountState::Active),
        config: body.config,
    };
    let mount = state
        .write(|filestore| Ok(filestore.mounts.create(new)?))
        .await?;
    Ok((StatusCode::CREATED, data(WatchedMount::of(&state, mount))))
}

fn local_root(root_path: Option<String>) -> Result<PathBuf, Problem> {
    let Some(root) = root_path.map(PathBuf::from) else {
        return Err(Problem::invalid(
            "/rootPath",
            "a local mount needs the path of a directory",
        ));
    };
    if !root.is_absolute() {
        return Err(Problem::invalid("/rootPath", "the path must be absolute"));
    }
    Ok(root)
}

/// A mount.
#[utoipa::path(
    get,
    path = "/v1/backend-mounts/{id}",
    operation_id = "getMount",
    tag = "mounts",
    params(("id" = i64, Path, description = "The mount's id")),
    responses((status = 200, body = Data<WatchedMount>))
)]
pub(super) async fn get(
    state: State,
    Path(id): Path<i64>,
) -> Result<Json<Data<WatchedMount>>, Problem> {
    let mount = state
        .query(move |connection| mounts::by_id(connection, id))
        .await?;
    mount
        .map(|mount| data(WatchedMount::of(&state, mount)))
        .ok_or_else(|| Problem::not_found(format!("there is no mount {id}")))
}

/// Changes a mount. Its key, backend and root stay what they are.
#[utoipa::path(
    patch,
    path = "/v1/backend-mounts/{id}",
    operation_id = "updateMount",
    tag = "mounts",
    params(("id" = i64, Path, description = "The mount's id")),
    request_body = PatchBody,
    responses((status = 200, body = Data<WatchedMount>)),
    security(("bearer" = ["filestore:admin"]))
)]
pub(super) async fn update(
    state: State,
    Path(id): Path<i64>,
    Json(body): Json<PatchBody>,
) -> Result<Json<Data<WatchedMount>>, Problem> {
    let patch = MountPatch {
        access_mode: body.access_mode,
        display_name: body.display_name,
        description: body.description,
        contact: body.contact,
        state_reason: body.state_reason,
        labels: body.labels,
        state: body.state,
        config: body.config,
    };
    let mount = state
        .write(move |filestore| Ok(filestore.mounts.update(id, patch)?))
        .await?;
    Ok(data(WatchedMount::of(&state, mount)))
}
