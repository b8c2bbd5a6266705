//! Saved statements.

use super::Shared;
use crate::error::{Error, Result};
use axum::extract::State;
use axum::http::StatusCode;
use duckdb::{Connection, OptionalExt, Row, params};
use httpkit::{Caller, Json, Path};
use journal::Time;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

const ID_MAX_BYTES: usize = 200;
const LABEL_MAX_BYTES: usize = 500;
/// Nobody looks through more of them.
const SAVED_MAX: i64 = 1_000;

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

/// All saved statements.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SavedList {
    /// The latest first.
    saved_queries: Vec<SavedSql>,
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
#[utoipa::path(get, path = "/sql/saved", tag = "sql", operation_id = "listSavedStatements",
    responses((status = 200, description = "The latest first, at most 1,000", body = SavedList)))]
pub(super) async fn list(State(shared): State<Shared>) -> httpkit::Result<Json<SavedList>> {
    let saved_queries = shared
        .reads
        .read(shared.options.sql_timeout, |connection| {
            let mut statement =
                connection.prepare(&select("ORDER BY updated_at DESC, id LIMIT ?"))?;
            let rows = statement.query_map([SAVED_MAX], columns)?;
            rows.map(|row| decode(row?)).collect()
        })
        .await?;
    Ok(Json(SavedList { saved_queries }))
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
