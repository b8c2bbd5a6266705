//! What was written to a record, and when.

use super::body::Name;
use super::records::find;
use super::{Pagination, limit};
use crate::Metastore;
use crate::record::audit::{self, AuditEntry, Diff, Pick, Sight};
use axum::extract::State;
use httpkit::{Caller, Json, Path, Problem, Query};
use serde::{Deserialize, Serialize};

/// Where in a history to read.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditQuery {
    /// 1 to 200; 50 if it is left out.
    #[serde(default)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// As many are left out before the first.
    #[serde(default)]
    offset: u64,
    /// `nextCursor` of the page before, instead of an offset: writes meanwhile make no entry come
    /// twice.
    #[serde(default)]
    cursor: Option<i64>,
}

/// A record's history.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AuditPage {
    pagination: Pagination,
    entries: Vec<AuditEntry>,
    /// Where the next page begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<i64>,
}

/// A record's history, newest first.
#[utoipa::path(get, path = "/records/{namespace}/{key}/audit", tag = "records",
    operation_id = "listAudit",
    params(("namespace" = String, Path, description = "The namespace"), ("key" = String, Path, description = "The key; the node id for the record of a node"), AuditQuery),
    responses((status = 200, body = AuditPage)))]
pub(super) async fn audit(
    State(metastore): State<Metastore>,
    caller: Caller,
    Path(name): Path<Name>,
    Query(query): Query<AuditQuery>,
) -> Result<Json<AuditPage>, Problem> {
    let target = name.target(&caller, None)?;
    let limit = limit(query.limit, 50, 200)?;
    let (cursor, offset) = (query.cursor, query.offset);
    let offset = if cursor.is_some() { 0 } else { offset };
    let sight = Sight::of(caller.namespaces());
    let (total, mut entries) = metastore
        .0
        .read(move |db| {
            let part = audit::Part {
                before: cursor,
                limit: i64::from(limit) + 1,
                offset: i64::try_from(offset).unwrap_or(i64::MAX),
            };
            Ok(audit::list(db, &find(db, &target)?, &sight, part)?)
        })
        .await?;
    let page = usize::try_from(limit).unwrap_or(usize::MAX);
    let is_last = entries.len() <= page;
    entries.truncate(page);
    let last = entries.last().map(|entry| entry.id);
    let mut pagination = Pagination::new(total, limit, offset);
    pagination.next_offset = pagination.next_offset.filter(|_| cursor.is_none());
    Ok(Json(AuditPage {
        pagination,
        entries,
        next_cursor: last.filter(|_| !is_last),
    }))
}

/// `namespace`, `key` and the audit entry's id.
#[derive(Debug, Deserialize)]
pub(super) struct AuditName {
    namespace: String,
    key: String,
    id: i64,
}

/// What one write did.
#[utoipa::path(get, path = "/records/{namespace}/{key}/audit/{id}/diff", tag = "records",
    operation_id = "diffAudit",
    params(("namespace" = String, Path, description = "The namespace"), ("key" = String, Path, description = "The key; the node id for the record of a node"), ("id" = i64, Path, description = "The audit entry")),
    responses((status = 200, body = Diff)))]
pub(super) async fn diff(
    State(metastore): State<Metastore>,
    caller: Caller,
    Path(name): Path<AuditName>,
) -> Result<Json<Diff>, Problem> {
    let id = name.id;
    let target = Name {
        namespace: name.namespace,
        key: name.key,
    }
    .target(&caller, None)?;
    let sight = Sight::of(caller.namespaces());
    let entry = metastore
        .0
        .read(move |db| Ok(audit::one(db, &find(db, &target)?, &sight, Pick::Id(id))?))
        .await?;
    let entry =
        entry.ok_or_else(|| Problem::not_found(format!("the record has no audit entry {id}")))?;
    Ok(Json(Diff::from(entry)))
}
