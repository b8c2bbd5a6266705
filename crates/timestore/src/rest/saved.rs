//! Saved statements.

use super::Shared;
use crate::error::{Error, Result};
use axum::extract::State;
use axum::http::StatusCode;
use duckdb::{Connection, OptionalExt, Row, params};
use httpkit::{Caller, Cursor, Json, Path, Query};
use journal::Time;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

const ID_MAX_BYTES: usize = 200;
const LABEL_MAX_BYTES: usize = 500;
const LIST_DEFAULT: usize = 100;
const LIST_MAX: usize = 1_000;

/// A saved statement.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SavedSql {
    /// As it was chosen.
    id: String,
    /// The statement.
    statement: String,
    /// For people.
    label: Option<String>,
    /// How it went last, as the client told.
    #[serde(skip_serializing_if = "Option::is_none")]
    stats: Option<SavedStats>,
    /// The subject of the token that saved it first.
    created_by: Option<String>,
    /// When it was saved first.
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
    /// When it was saved last.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Time,
}

/// How a saved statement went.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SavedStats {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    row_count: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    elapsed_ms: Option<u64>,
}

/// A page of the saved statements.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SavedList {
    /// Those that were saved first the latest come first.
    saved_queries: Vec<SavedSql>,
    /// The `cursor` of the next page; null on the last one.
    #[schema(value_type = Option<String>)]
    next_cursor: Option<Cursor>,
}

/// Which saved statements.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// At most so many; 100, if left out, and at most 1,000.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// The `nextCursor` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor>,
}

/// One saved statement.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SavedOne {
    /// It.
    saved_query: SavedSql,
}

/// What is to be saved.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct SaveRequest {
    /// It is not run, and so not checked either.
    statement: String,
    label: Option<String>,
    stats: Option<SavedStats>,
}

/// List saved statements
///
/// In the order in which they were saved first, the latest first. Saving one again does not move
/// it, so pages are right while others save.
#[utoipa::path(get, path = "/sql/saved", tag = "sql", operation_id = "listSavedStatements",
    params(ListQuery),
    responses((status = 200, description = "The statements", body = SavedList)))]
pub(super) async fn list(
    State(shared): State<Shared>,
    Query(query): Query<ListQuery>,
) -> httpkit::Result<Json<SavedList>> {
    let limit = crate::questions::limit(query.limit, LIST_DEFAULT, LIST_MAX)?;
    let after: Option<(i64, String)> = query.cursor.as_ref().map(Cursor::place).transpose()?;
    let mut saved_queries = shared
        .reads
        .read(shared.options.sql_timeout, move |connection| {
            page(connection, after, limit + 1)
        })
        .await?;
    let has_more = saved_queries.len() > limit;
    saved_queries.truncate(limit);
    let next_cursor = saved_queries
        .last()
        .filter(|_| has_more)
        .map(|last| Cursor::of(&(last.created_at.as_millis(), &last.id)))
        .transpose()?;
    Ok(Json(SavedList {
        saved_queries,
        next_cursor,
    }))
}

/// The statements after this place.
fn page(
    connection: &Connection,
    after: Option<(i64, String)>,
    limit: usize,
) -> Result<Vec<SavedSql>> {
    let is_first = after.is_none();
    let (created, id) = after.unwrap_or_default();
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let sql = select(include_str!("../sql/saved_sql_page.sql"));
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map(params![is_first, created, id, limit], columns)?;
    rows.map(|row| decode(row?)).collect()
}

/// Get a saved statement
#[utoipa::path(get, path = "/sql/saved/{id}", tag = "sql", operation_id = "getSavedStatement",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The statement", body = SavedOne)))]
pub(super) async fn get(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> httpkit::Result<Json<SavedOne>> {
    let saved_query = shared
        .reads
        .read(shared.options.sql_timeout, move |connection| {
            find(connection, &id)
        })
        .await?;
    Ok(Json(SavedOne { saved_query }))
}

/// Save a statement
///
/// Under an id of the caller's choice; what is there under it is replaced.
#[utoipa::path(put, path = "/sql/saved/{id}", tag = "sql", operation_id = "putSavedStatement",
    params(("id" = String, Path, description = "Its id")),
    request_body = SaveRequest,
    responses((status = 200, description = "The statement", body = SavedOne)))]
pub(super) async fn put(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    caller: Caller,
    Json(request): Json<SaveRequest>,
) -> httpkit::Result<Json<SavedOne>> {
    check(&id, &request)?;
    let now = shared.options.clock.now();
    let saved_query = shared
        .store
        .write(move |connection| {
            let stats = request
                .stats
                .as_ref()
                .map(serde_json::to_string)
                .transpose()?;
            connection.execute(
                include_str!("../sql/save_sql.sql"),
                params![
                    id,
                    request.statement,
                    request.label,
                    stats,
                    caller.subject,
                    now.as_millis()
                ],
            )?;
            find(connection, &id)
        })
        .await?;
    Ok(Json(SavedOne { saved_query }))
}

/// Delete a saved statement
#[utoipa::path(delete, path = "/sql/saved/{id}", tag = "sql", operation_id = "deleteSavedStatement",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 204, description = "It is gone")))]
pub(super) async fn delete(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> httpkit::Result<StatusCode> {
    shared
        .store
        .write(move |connection| {
            let deleted =
                connection.execute("DELETE FROM tidemark.saved_sql WHERE id = ?", [&id])?;
            if deleted == 0 {
                Err(missing(&id))
            } else {
                Ok(())
            }
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn check(id: &str, request: &SaveRequest) -> Result<()> {
    if id.is_empty() || id.len() > ID_MAX_BYTES {
        return Err(Error::invalid(
            "/id",
            format!("an id has 1 to {ID_MAX_BYTES} bytes"),
        ));
    }
    let statement = request.statement.trim();
    if statement.is_empty() || statement.len() > crate::error::STATEMENT_MAX_BYTES {
        return Err(Error::invalid(
            "/statement",
            "a statement is not empty and at most 64 KiB long",
        ));
    }
    if request
        .label
        .as_ref()
        .is_some_and(|label| label.len() > LABEL_MAX_BYTES)
    {
        return Err(Error::invalid(
            "/label",
            format!("a label has at most {LABEL_MAX_BYTES} bytes"),
        ));
    }
    Ok(())
}

fn select(tail: &str) -> String {
    format!("{}{tail}", include_str!("../sql/saved_sql.sql"))
}

fn missing(id: &str) -> Error {
    Error::NotFound(format!("there is no saved statement {id:?}"))
}

fn find(connection: &Connection, id: &str) -> Result<SavedSql> {
    let found = connection
        .query_row(&select("WHERE id = ?"), [id], columns)
        .optional()?;
    decode(found.ok_or_else(|| missing(id))?)
}

type Columns = (
    String,
    String,
    Option<String>,
    Option<String>,
    Option<String>,
    i64,
    i64,
);

fn columns(row: &Row<'_>) -> duckdb::Result<Columns> {
    Ok((
        row.get(0)?,
        row.get(1)?,
        row.get(2)?,
        row.get(3)?,
        row.get(4)?,
        row.get(5)?,
        row.get(6)?,
    ))
}

fn decode(
    (id, statement, label, stats, created_by, created, updated): Columns,
) -> Result<SavedSql> {
    Ok(SavedSql {
        id,
        statement,
        label,
        stats: stats.map(|text| serde_json::from_str(&text)).transpose()?,
        created_by,
        created_at: Time::from_millis(created),
        updated_at: Time::from_millis(updated),
    })
}
