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
use httpkit::{Cursor, Json, Path, Problem, Query};
use journal::compare::fold;
use node::name::os_path;
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
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// After so many, default 0.
    offset: Option<u32>,
    /// ＋ The `nextCursor` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor>,
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
    /// ＋ The `cursor` of the next page.
    #[schema(value_type = Option<String>)]
    next_cursor: Option<Cursor>,
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
    /// `maxBytes`, `pathGlobs`, `bytesPerSecond`, `concurrency`, `paused`. Local: `crossFilesystems:
    /// true` lets scans enter other filesystems mounted below, `extendedAttributes: true` has each
    /// file asked for its access control lists and extended attributes, `accessTimes: true` for when it
    /// was last read. S3: `objectTags: true` has each object asked for its tags; `endpoint`, `region`,
    /// `allowHttp`, `forcePathStyle`, `credentialsFile`, `credentialsProfile`, `listPageKeys`;
    /// credentials themselves are refused, and come from the service's environment or the file.
    #[schema(value_type = Object)]
    #[serde(default)]
    config: Map<String, Value>,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PatchMountBody)]
pub(super) struct PatchBody {
    /// May be sent back as it is; it cannot be changed.
    mount_key: Option<String>,
    /// As the key.
    #[schema(value_type = Option<String>)]
    backend_kind: Option<Value>,
    /// As the key.
    root_path: Option<String>,
    /// As the key.
    bucket: Option<String>,
    /// As the key.
    prefix: Option<String>,
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
    // A client may ask for a state that only another system has: no mount is in it.
    let states = words("/states", &params.states, |word| Some(word.to_owned()))?;
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
            && (states.is_empty() || states.iter().any(|state| *state == mount.state.as_str()))
            && (modes.is_empty() || modes.contains(&mount.access_mode))
            && search
                .as_ref()
                .is_none_or(|search| named.any(|name| fold(name).contains(&**search)))
    });
    let after: Option<i64> = super::params::cursor(params.cursor.as_ref(), params.offset)?;
    let (total, offset) = (mounts.len(), params.offset.unwrap_or(0));
    // They are in the order of their ids.
    mounts.retain(|mount| after.is_none_or(|after| mount.id > after));
    let mut rest = mounts
        .into_iter()
        .skip(usize::try_from(offset).unwrap_or(usize::MAX));
    let mounts: Vec<_> = rest
        .by_ref()
        .take(usize::try_from(most).unwrap_or(usize::MAX))
        .collect();
    let last = mounts.last().filter(|_| rest.next().is_some());
    let next_cursor = last.map(|last| Cursor::of(&last.id)).transpose()?;
    let next = offset.saturating_add(u32::try_from(mounts.len()).unwrap_or(u32::MAX));
    let next_offset = (last.is_some() && after.is_none()).then_some(next);
    let mounts = mounts
        .into_iter()
        .map(|mount| WatchedMount::of(&state, mount))
        .collect();
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
        next_offset,
        next_cursor,
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
    let Some(root) = root_path.as_deref().map(os_path) else {
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
        .ok_or_else(|| no_mount(id))
}

fn no_mount(id: i64) -> Problem {
    Problem::not_found(format!("there is no mount {id}"))
}

impl PatchBody {
    /// What stays may be sent back as it is, and something must be there that can change.
    fn check(&self, mount: &Mount) -> Result<(), Problem> {
        let kind = self.backend_kind.as_ref().map(|kind| match kind {
            Value::String(word) => word.clone(),
            other => other.to_string(),
        });
        let stays = [
            (
                "mountKey",
                self.mount_key.as_ref(),
                Some(mount.mount_key.as_str()),
            ),
            (
                "backendKind",
                kind.as_ref(),
                Some(mount.backend_kind.as_str()),
            ),
            (
                "rootPath",
                self.root_path.as_ref(),
                mount.root_path.as_deref(),
            ),
            ("bucket", self.bucket.as_ref(), mount.bucket.as_deref()),
            ("prefix", self.prefix.as_ref(), mount.prefix.as_deref()),
        ];
        for (name, asked, is) in stays {
            if let Some(asked) = asked
                && Some(asked.as_str()) != is
            {
                let detail = format!(
                    "a mount keeps its {name} ({}): make another mount for {asked:?}",
                    is.unwrap_or("none")
                );
                return Err(Problem::invalid(&format!("/{name}"), detail));
            }
        }
        let changes = [
            self.access_mode.is_some(),
            self.display_name.is_some(),
            self.description.is_some(),
            self.contact.is_some(),
            self.labels.is_some(),
            self.state.is_some(),
            self.state_reason.is_some(),
            self.config.is_some(),
        ];
        if changes.contains(&true) {
            return Ok(());
        }
        Err(Problem::invalid(
            "/",
            "nothing to change: give accessMode, displayName, description, contact, labels, state, \
             stateReason or config",
        ))
    }
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
    let mount = state.query(move |connection| mounts::by_id(connection, id));
    let mount = mount.await?.ok_or_else(|| no_mount(id))?;
    body.check(&mount)?;
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
