//! One record.

use super::body::{
    CreateBody, MergePatchBody, Name, OptionalJson, PatchBody, Patching, PutBody, idempotency_key,
    persons_part,
};
use crate::Metastore;
use crate::record::audit::{Pick, Sight};
use crate::record::once::{Answer, Idempotency, once};
use crate::record::outcome::{Author, Outcome, Target};
use crate::record::store::{self, Stored};
use crate::record::write;
use crate::record::{Record, RecordError};
use axum::extract::State;
use axum::http::header::ETAG;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use httpkit::conditions::Validators;
use httpkit::{Caller, Json, Path, Problem, Query};
use journal::Time;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A record as it was read.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct OneRecord {
    record: Record,
}

/// A record after it was made or replaced.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Upserted {
    pub(super) created: bool,
    /// Nothing was changed now: it was as asked already, or this request came before.
    pub(super) idempotent: bool,
    pub(super) record: Record,
}

/// A record after it was changed in part.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Patched {
    idempotent: bool,
    record: Record,
}

/// A record after it was soft-deleted.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Deleted {
    deleted: bool,
    idempotent: bool,
    record: Record,
}

/// A record as it was before it was purged.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Purged {
    purged: bool,
    /// This request came before; the record is shown without what people had written.
    idempotent: bool,
    record: Record,
}

/// A record after it was restored.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Restored {
    restored: bool,
    idempotent: bool,
    record: Record,
    #[serde(skip_serializing_if = "Option::is_none")]
    restored_from: Option<RestoredFrom>,
}

/// The audit entry that a record went back to.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RestoredFrom {
    audit_id: i64,
    version: i64,
}

/// Whether soft-deleted records are meant too.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct Including {
    /// Soft-deleted records too.
    #[serde(default)]
    include_deleted: bool,
}

/// The version that a record must be at.
#[derive(Clone, Copy, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct Expecting {
    /// The version that the record must be at.
    #[serde(default)]
    expected_version: Option<i64>,
}

/// How a record is deleted or purged.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeleteBody {
    /// The version that the record must be at; it may stand in the query instead.
    #[serde(default)]
    expected_version: Option<i64>,
    /// The same key with the same request gives the same answer again, for seven days.
    #[serde(default)]
    idempotency_key: Option<String>,
}

pub(super) fn author(caller: &Caller, now: Time) -> Author {
    Author {
        subject: caller.subject.clone(),
        now,
    }
}

/// Makes a record; gives the one that is there, unchanged, if there is one.
#[utoipa::path(post, path = "/records", tag = "records", operation_id = "createRecord",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request gives the same answer again, for seven days; `X-Idempotency-Key` will do too")),
    request_body = CreateBody,
    responses((status = 201, body = Upserted), (status = 200, body = Upserted)))]
pub(super) async fn create(
    State(metastore): State<Metastore>,
    caller: Caller,
    headers: HeaderMap,
    Json(body): Json<CreateBody>,
) -> Result<(StatusCode, Tagged<Upserted>), Problem> {
    let target = Name {
        namespace: body.namespace,
        key: body.key,
    }
    .target(&caller, None)?;
    let part = persons_part("/", body.metadata, body.tags, body.owner, body.schema_hash)?;
    let key = idempotency_key(&headers, body.idempotency_key)?;
    let idempotency = key.map(|key| Idempotency::of_write(key, "create", &target, &part));
    let work = move |author: &Author, db: &rusqlite::Connection| {
        write::create(db, author, &target, part).map(Answer::from)
    };
    Ok(upserted(
        write_record(&metastore, &caller, idempotency, work).await?,
    ))
}

/// One record.
#[utoipa::path(get, path = "/records/{namespace}/{key}", tag = "records", operation_id = "getRecord",
    params(("namespace" = String, Path, description = "The namespace"), ("key" = String, Path, description = "The key; the node id for the record of a node"), Including,
        ("If-None-Match" = Option<String>, Header, description = "304 if the ETag is one of these")),
    responses((status = 200, body = OneRecord), (status = 304, description = "Nothing has changed")))]
pub(super) async fn get(
    State(metastore): State<Metastore>,
    caller: Caller,
    Path(name): Path<Name>,
    Query(including): Query<Including>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let target = name.target(&caller, None)?;
    let record = metastore.0.read(move |db| find(db, &target)).await?;
    if record.shown_deleted_at().is_some() && !including.include_deleted {
        return Err(Problem::not_found(
            "the record is soft-deleted; add includeDeleted=true to see it",
        ));
    }
    one_record(shown(record, &caller), &method, &headers)
}

/// Replaces what people say of a record; makes it if there is none.
#[utoipa::path(put, path = "/records/{namespace}/{key}", tag = "records", operation_id = "putRecord",
    params(("namespace" = String, Path, description = "The namespace"), ("key" = String, Path, description = "The key; the node id for the record of a node"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request gives the same answer again, for seven days; `X-Idempotency-Key` will do too"),
        ("If-Match" = Option<String>, Header, description = "412 unless the ETag is one of these"),
        ("If-None-Match" = Option<String>, Header,
            description = "`*`: 412 if the record is there")),
    request_body = PutBody,
    responses((status = 201, body = Upserted), (status = 200, body = Upserted),
        (status = 412, description = "A condition does not hold")))]
pub(super) async fn put(
    State(metastore): State<Metastore>,
    caller: Caller,
    Path(name): Path<Name>,
    headers: HeaderMap,
    Json(body): Json<PutBody>,
) -> Result<(StatusCode, Tagged<Upserted>), Problem> {
    let target = name
        .target(&caller, body.expected_version)?
        .under(&headers)?;
    let part = persons_part("/", body.metadata, body.tags, body.owner, body.schema_hash)?;
    let key = idempotency_key(&headers, body.idempotency_key)?;
    let idempotency = key.map(|key| Idempotency::of_write(key, "put", &target, &part));
    let work = move |author: &Author, db: &rusqlite::Connection| {
        write::put(db, author, &target, part).map(Answer::from)
    };
    Ok(upserted(
        write_record(&metastore, &caller, idempotency, work).await?,
    ))
}

/// Changes parts of what people say of a record.
#[utoipa::path(patch, path = "/records/{namespace}/{key}", tag = "records",
    operation_id = "patchRecord",
    params(("namespace" = String, Path, description = "The namespace"), ("key" = String, Path, description = "The key; the node id for the record of a node"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request gives the same answer again, for seven days; `X-Idempotency-Key` will do too"),
        ("If-Match" = Option<String>, Header, description = "412 unless the ETag is one of these")),
    request_body(content(
        (PatchBody = "application/json"),
        (MergePatchBody = "application/merge-patch+json"),
    )),
    responses((status = 200, body = Patched), (status = 412, description = "A condition does not hold")))]
pub(super) async fn patch(
    State(metastore): State<Metastore>,
    caller: Caller,
    Path(name): Path<Name>,
    headers: HeaderMap,
    patching: Patching,
) -> Result<Tagged<Patched>, Problem> {
    let target = name
        .target(&caller, patching.expected_version)?
        .under(&headers)?;
    let patch = patching.patch;
    let key = idempotency_key(&headers, patching.idempotency_key)?;
    let idempotency = key.map(|key| Idempotency::of_write(key, "patch", &target, &patch));
    let work = move |author: &Author, db: &rusqlite::Connection| {
        write::patch(db, author, &target, patch).map(Answer::from)
    };
    let answer = write_record(&metastore, &caller, idempotency, work).await?;
    Ok(Tagged::of(
        etag(&answer.record),
        Patched {
            idempotent: answer.is_idempotent(),
            record: answer.record,
        },
    ))
}

/// Soft-deletes a record. `expectedVersion` comes in the query or in a body.
#[utoipa::path(delete, path = "/records/{namespace}/{key}", tag = "records",
    operation_id = "deleteRecord",
    params(("namespace" = String, Path, description = "The namespace"), ("key" = String, Path, description = "The key; the node id for the record of a node"), Expecting,
        ("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request gives the same answer again, for seven days; `X-Idempotency-Key` will do too"),
        ("If-Match" = Option<String>, Header, description = "412 unless the ETag is one of these")),
    request_body = Option<DeleteBody>,
    responses((status = 200, body = Deleted),
        (status = 412, description = "A condition does not hold")),
    security(("bearer" = ["metastore:delete"])))]
pub(super) async fn delete(
    State(metastore): State<Metastore>,
    caller: Caller,
    Path(name): Path<Name>,
    Query(query): Query<Expecting>,
    headers: HeaderMap,
    OptionalJson(body): OptionalJson<DeleteBody>,
) -> Result<Tagged<Deleted>, Problem> {
    let target = name
        .target(&caller, query.expected_version.or(body.expected_version))?
        .under(&headers)?;
    let key = idempotency_key(&headers, body.idempotency_key)?;
    let idempotency = key.map(|key| Idempotency::of_write(key, "delete", &target, &()));
    let work = move |author: &Author, db: &rusqlite::Connection| {
        write::delete(db, author, &target).map(Answer::from)
    };
    let answer = write_record(&metastore, &caller, idempotency, work).await?;
    Ok(Tagged::of(
        etag(&answer.record),
        Deleted {
            deleted: answer.outcome == Outcome::Changed,
            idempotent: answer.is_idempotent(),
            record: answer.record,
        },
    ))
}

/// Removes a record with its history. The record of a node that is still there begins again, empty.
#[utoipa::path(delete, path = "/records/{namespace}/{key}/purge", tag = "records",
    operation_id = "purgeRecord",
    params(("namespace" = String, Path, description = "The namespace"), ("key" = String, Path, description = "The key; the node id for the record of a node"), Expecting,
        ("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request gives the same answer again, for seven days; `X-Idempotency-Key` will do too"),
        ("If-Match" = Option<String>, Header, description = "412 unless the ETag is one of these")),
    request_body = Option<DeleteBody>,
    responses((status = 200, body = Purged),
        (status = 412, description = "A condition does not hold")), security(("bearer" = ["metastore:admin"])))]
pub(super) async fn purge(
    State(metastore): State<Metastore>,
    caller: Caller,
    Path(name): Path<Name>,
    Query(query): Query<Expecting>,
    headers: HeaderMap,
    OptionalJson(body): OptionalJson<DeleteBody>,
) -> Result<Json<Purged>, Problem> {
    let target = name
        .target(&caller, query.expected_version.or(body.expected_version))?
        .under(&headers)?;
    let key = idempotency_key(&headers, body.idempotency_key)?;
    let idempotency = key.map(|key| Idempotency::of_write(key, "purge", &target, &()));
    let work = move |author: &Author, db: &rusqlite::Connection| {
        write::purge(db, author, &target).map(Answer::of_purge)
    };
    let answer = write_record(&metastore, &caller, idempotency, work).await?;
    Ok(Json(Purged {
        purged: true,
        idempotent: answer.is_idempotent(),
        record: answer.record,
    }))
}

/// What a record is restored to.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RestoreBody {
    /// Go back to what this audit entry says.
    #[serde(default)]
    audit_id: Option<i64>,
    /// Go back to what the record said at this version.
    #[serde(default)]
    version: Option<i64>,
    /// The version that the record must be at.
    #[serde(default)]
    expected_version: Option<i64>,
    /// The same key with the same request gives the same answer again, for seven days.
    #[serde(default)]
    idempotency_key: Option<String>,
}

/// Lifts a soft deletion, and goes back to an earlier content if the body names one.
#[utoipa::path(post, path = "/records/{namespace}/{key}/restore", tag = "records",
    operation_id = "restoreRecord",
    params(("namespace" = String, Path, description = "The namespace"), ("key" = String, Path, description = "The key; the node id for the record of a node"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request gives the same answer again, for seven days; `X-Idempotency-Key` will do too"),
        ("If-Match" = Option<String>, Header, description = "412 unless the ETag is one of these")),
    request_body = Option<RestoreBody>, responses((status = 200, body = Restored),
        (status = 412, description = "A condition does not hold")))]
pub(super) async fn restore(
    State(metastore): State<Metastore>,
    caller: Caller,
    Path(name): Path<Name>,
    headers: HeaderMap,
    OptionalJson(body): OptionalJson<RestoreBody>,
) -> Result<Tagged<Restored>, Problem> {
    let target = name
        .target(&caller, body.expected_version)?
        .under(&headers)?;
    let pick = body
        .audit_id
        .map(Pick::Id)
        .or(body.version.map(Pick::Version));
    let key = idempotency_key(&headers, body.idempotency_key)?;
    let asked = (body.audit_id, body.version);
    let idempotency = key.map(|key| Idempotency::of_write(key, "restore", &target, &asked));
    let sight = Sight::of(caller.namespaces());
    let work = move |author: &Author, db: &rusqlite::Connection| {
        write::restore(db, author, &target, &sight, pick).map(Answer::of_restore)
    };
    let answer = write_record(&metastore, &caller, idempotency, work).await?;
    let from = answer.restored_from;
    Ok(Tagged::of(
        etag(&answer.record),
        Restored {
            restored: answer.outcome == Outcome::Changed,
            idempotent: answer.is_idempotent(),
            record: answer.record,
            restored_from: from.map(|(audit_id, version)| RestoredFrom { audit_id, version }),
        },
    ))
}

/// Where a node is.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct PathQuery {
    /// The id of the mount.
    backend_mount_id: i64,
    /// Relative to the mount, without a leading slash; the root is the empty text.
    path: String,
}

/// The record of the live node at a path.
#[utoipa::path(get, path = "/records/by-path", tag = "records", operation_id = "getRecordByPath",
    params(PathQuery), responses((status = 200, body = OneRecord)))]
pub(super) async fn by_path(
    State(metastore): State<Metastore>,
    caller: Caller,
    Query(query): Query<PathQuery>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let PathQuery {
        backend_mount_id,
        path,
    } = query;
    let missing = Problem::not_found(format!(
        "no live node of mount {backend_mount_id} has the path {path:?}"
    ));
    let record = metastore
        .0
        .read(move |db| Ok(store::by_path(db, backend_mount_id, &path)?))
        .await?
        .filter(|record| caller.may_namespace(&record.namespace))
        .ok_or(missing)?;
    one_record(shown(record, &caller), &method, &headers)
}

/// The record, or 304 if the client has it already.
fn one_record(record: Record, method: &Method, headers: &HeaderMap) -> Result<Response, Problem> {
    let etag = etag(&record);
    let validators = Validators {
        etag: &etag,
        modified: None,
    };
    if validators.check(method, headers)? {
        return Ok((StatusCode::NOT_MODIFIED, [(ETAG, etag)]).into_response());
    }
    Ok(Tagged::of(etag, OneRecord { record }).into_response())
}

/// What tells a state of the record from every other one: its version, and for the record of a
/// node a hash of all that is shown, since the sync's part does not count in the version. A client
/// may make the tag of a version itself: it is the version in quotes.
fn etag(record: &Record) -> String {
    if !record.metadata.contains_key("filestore") {
        return format!("\"{}\"", record.version);
    }
    // A record is texts, numbers and JSON: it always has a text.
    let shown = serde_json::to_vec(record).unwrap_or_default();
    let hash = blake3::hash(&shown).to_hex();
    let hash = hash.get(..16).unwrap_or_default();
    format!("\"{}-{hash}\"", record.version)
}

/// An answer with the record's ETag.
#[derive(Debug)]
pub(super) struct Tagged<T>(String, Json<T>);

impl<T> Tagged<T> {
    fn of(etag: String, body: T) -> Self {
        Self(etag, Json(body))
    }
}

impl<T: Serialize> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        ([(ETAG, self.0)], self.1).into_response()
    }
}

/// The record as the caller may see it.
pub(super) fn shown(record: Stored, caller: &Caller) -> Record {
    let mut record = record.shown();
    hide(&mut record, caller);
    record
}

/// Hides what the caller may not see: where a node was before may lie in another namespace.
pub(super) fn hide(record: &mut Record, caller: &Caller) {
    if caller.namespaces().is_some()
        && let Some(Value::Object(node)) = record.metadata.get_mut("filestore")
    {
        node.remove("previousPath");
    }
}

pub(super) fn find(db: &rusqlite::Connection, target: &Target) -> Result<Stored, RecordError> {
    store::by_key(db, &target.namespace, &target.key)?.ok_or_else(|| RecordError::NotFound {
        namespace: target.namespace.clone(),
        key: target.key.clone(),
    })
}

/// Runs a write, unless it is one that came before.
async fn write_record<F>(
    metastore: &Metastore,
    caller: &Caller,
    idempotency: Option<Idempotency>,
    work: F,
) -> Result<Answer, Problem>
where
    F: FnOnce(&Author, &rusqlite::Connection) -> Result<Answer, RecordError> + Send + 'static,
{
    let writer = caller.clone();
    let mut answer = metastore
        .0
        .write(move |db, now| {
            once(db, now, idempotency.as_ref(), || {
                work(&author(&writer, now), db)
            })
        })
        .await?;
    hide(&mut answer.record, caller);
    Ok(answer)
}

fn upserted(answer: Answer) -> (StatusCode, Tagged<Upserted>) {
    let created = answer.outcome == Outcome::Created;
    let status = if created && !answer.is_repeated {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let body = Upserted {
        created,
        idempotent: answer.is_idempotent(),
        record: answer.record,
    };
    (status, Tagged::of(etag(&body.record), body))
}
