//! Schemas: registered once, never changed.

use super::body::check_hash;
use super::limit;
use super::records::author;
use crate::Metastore;
use crate::record::schema::{self, Definition, SchemaField, StoredSchema};
use crate::record::{Metadata, RecordError};
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, ETAG};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use httpkit::conditions::Validators;
use httpkit::{Caller, Json, Path, Problem, Query};
use journal::Time;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A year: what a hash names never changes.
const FOR_EVER: &str = "private, max-age=31536000, immutable";

/// A schema to register.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SchemaBody {
    /// The name that records will give; if it is left out, `sha256:` and the hash of the schema's
    /// JSON (names in order, no white space, without `schemaHash`).
    #[serde(default)]
    #[schema(min_length = 6, max_length = 256)]
    schema_hash: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    description: Option<String>,
    /// For people; it is compared with nothing.
    #[serde(default)]
    #[schema(value_type = Option<crate::words::TextOrNumber>)]
    version: Option<Value>,
    /// 1 to 512 fields. What no field names is free.
    fields: Vec<SchemaField>,
    /// Kept for clients.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    metadata: Option<Metadata>,
}

/// A schema that is registered.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RecordSchema {
    /// What a record names it by.
    schema_hash: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<crate::words::TextOrNumber>)]
    version: Option<Value>,
    fields: Vec<SchemaField>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    metadata: Option<Metadata>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
    /// The same as `createdAt`.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Time,
}

impl From<StoredSchema> for RecordSchema {
    fn from(stored: StoredSchema) -> Self {
        let Definition {
            name,
            description,
            version,
            fields,
            metadata,
        } = stored.definition;
        Self {
            schema_hash: stored.hash,
            name,
            description,
            version,
            fields,
            metadata,
            created_at: stored.created_at,
            updated_at: stored.created_at,
        }
    }
}

/// A schema after it was registered.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Registered {
    /// It was not known before.
    created: bool,
    schema: RecordSchema,
}

/// Registers a schema; gives the one that is there, if it is the same
///
/// A schema never changes: the same hash with other contents is refused with 409.
#[utoipa::path(post, path = "/admin/schemas", tag = "schemas", operation_id = "registerSchema",
    request_body = SchemaBody,
    responses((status = 201, body = Registered), (status = 200, body = Registered)),
    security(("bearer" = ["metastore:admin"])))]
pub(super) async fn register(
    State(metastore): State<Metastore>,
    caller: Caller,
    Json(body): Json<SchemaBody>,
) -> Result<(StatusCode, Json<Registered>), Problem> {
    caller.require_unlimited()?;
    let definition = Definition {
        name: body.name,
        description: body.description,
        version: body.version,
        fields: body.fields,
        metadata: body.metadata,
    };
    let faults = definition.faults();
    if !faults.is_empty() {
        return Err(RecordError::Faults(faults).into());
    }
    let hash = hash(body.schema_hash, &definition)?;
    let (created, schema) = metastore
        .0
        .write(move |db, now| schema::register(db, &author(&caller, now), &hash, definition))
        .await?;
    let status = if created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let schema = schema.into();
    Ok((status, Json(Registered { created, schema })))
}

/// The hash that a schema gets. A name of one's own is taken, but none that looks like the hash of
/// other contents.
fn hash(given: Option<String>, definition: &Definition) -> Result<String, Problem> {
    let own = Definition::hash_of(&definition.canonical());
    let Some(given) = given else {
        return Ok(own);
    };
    check_hash("/schemaHash", &given)?;
    let is_hash = given
        .strip_prefix("sha256:")
        .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if is_hash && given != own {
        let detail = format!("the hash of these contents is {own}; leave schemaHash out");
        return Err(Problem::invalid("/schemaHash", detail));
    }
    Ok(given)
}

/// Which schemas to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct SchemasQuery {
    /// 1 to 200; 50 if it is left out.
    #[serde(default)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    #[serde(default)]
    cursor: Option<String>,
}

/// A page of schemas.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SchemasPage {
    schemas: Vec<RecordSchema>,
    /// Where the next page begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// All schemas, in the order of their hashes.
#[utoipa::path(get, path = "/admin/schemas", tag = "schemas", operation_id = "listSchemas",
    params(SchemasQuery), responses((status = 200, body = SchemasPage)),
    security(("bearer" = ["metastore:admin"])))]
pub(super) async fn list(
    State(metastore): State<Metastore>,
    caller: Caller,
    Query(query): Query<SchemasQuery>,
) -> Result<Json<SchemasPage>, Problem> {
    caller.require_unlimited()?;
    let limit = limit(query.limit, 50, 200)?;
    let after = query.cursor.unwrap_or_default();
    let mut found = metastore
        .0
        .read(move |db| Ok(schema::list(db, &after, i64::from(limit) + 1)?))
        .await?;
    let page = usize::try_from(limit).unwrap_or(usize::MAX);
    let is_last = found.len() <= page;
    found.truncate(page);
    let last = found.last().map(|schema| schema.hash.clone());
    Ok(Json(SchemasPage {
        schemas: found.into_iter().map(RecordSchema::from).collect(),
        next_cursor: last.filter(|_| !is_last),
    }))
}

/// One schema. It never changes, so it may be kept for ever.
#[utoipa::path(get, path = "/schemas/{hash}", tag = "schemas", operation_id = "getSchema",
    params(("hash" = String, Path, description = "What records name it by"),
        ("If-None-Match" = Option<String>, Header, description = "304 if the ETag is one of these")),
    responses((status = 200, body = RecordSchema), (status = 304, description = "Nothing has changed")))]
pub(super) async fn get(
    State(metastore): State<Metastore>,
    Path(hash): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    check_hash("/hash", &hash)?;
    let missing = Problem::not_found(format!(
        "there is no schema {hash:?}; register it with POST /admin/schemas"
    ));
    let schema = metastore
        .0
        .read(move |db| Ok(schema::find(db, &hash)?))
        .await?
        .ok_or(missing)?;
    // The hash that a client gave may have quotes in it; this one has none.
    let etag = format!(
        "\"{}\"",
        Definition::hash_of(&schema.definition.canonical())
    );
    let validators = Validators {
        etag: &etag,
        modified: None,
    };
    let kept = [(ETAG, etag.as_str()), (CACHE_CONTROL, FOR_EVER)];
    if validators.check(&method, &headers)? {
        return Ok((StatusCode::NOT_MODIFIED, kept).into_response());
    }
    Ok((kept, Json(RecordSchema::from(schema))).into_response())
}
