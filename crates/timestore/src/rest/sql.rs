//! A person's SQL.

use super::Shared;
use super::answer::{RESULT_MAX_BYTES, answer, negotiate};
use super::datasets::FormatQuery;
use crate::sandbox::{self, Parameters};
use crate::sight::Sight;
use crate::statement::Limits;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use duckdb::types::Value as Bound;
use httpkit::{Caller, Json, Problem, Query};
use journal::Time;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::time::Instant;
use utoipa::ToSchema;
use uuid::Uuid;

/// A statement to run.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct ReadRequest {
    /// One statement that only reads.
    #[schema(
        example = "SELECT event_type, count(*) AS entries FROM filestore_activity GROUP BY ALL"
    )]
    sql: String,
    /// Values for its placeholders: a list for `?` and `$1`, an object for `$name`.
    #[serde(default)]
    #[schema(schema_with = crate::words::parameters, required = false)]
    params: Value,
}

/// The result of a statement.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReadAnswer {
    /// One object a row. Times are RFC 3339; integers beyond ±2⁵³ are strings.
    rows: Vec<Map<String, Value>>,
    /// Which execution this was, for the log.
    execution_id: String,
    /// The columns in order.
    columns: Vec<ColumnAnswer>,
    /// There are more rows than these.
    truncated: bool,
    /// What the reader should know.
    warnings: Vec<String>,
    /// How it went.
    statistics: Statistics,
}

/// A column of a result.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ColumnAnswer {
    /// Its name in the rows.
    name: String,
    /// Its SQL type.
    #[serde(rename = "type")]
    kind: String,
}

/// How a statement went.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Statistics {
    /// Rows in the answer.
    row_count: usize,
    /// How long it took.
    elapsed_ms: u64,
}

/// Run a statement that reads
///
/// One SELECT on the tables of `/sql/schema`, in DuckDB's SQL. It cannot write, see files or reach
/// the network, and is bounded in time, memory and rows.
#[utoipa::path(post, path = "/sql/read", tag = "sql", operation_id = "readSql", params(FormatQuery),
    request_body = ReadRequest,
    responses((status = 200, description = "The result", content(
        (ReadAnswer = "application/json"), (String = "text/csv"), (String = "application/x-ndjson"),
        (Vec<u8> = "application/vnd.apache.arrow.stream")))),
    security(("bearer" = ["timestore:read"])))]
pub(super) async fn read(
    State(shared): State<Shared>,
    caller: Caller,
    Query(format): Query<FormatQuery>,
    headers: HeaderMap,
    Json(request): Json<ReadRequest>,
) -> httpkit::Result<Response> {
    let format = negotiate(&headers, format.format.as_deref())?;
    let parameters = parameters(request.params)?;
    let limits = Limits {
        rows: shared.options.sql_max_rows,
        bytes: RESULT_MAX_BYTES,
    };
    let (sight, activity) = (Sight::of(&caller), shared.activity.clone());
    let execution = Uuid::now_v7();
    let started = Instant::now();
    let result = shared
        .statements
        .read_bounded(shared.options.sql_timeout, move |connection, bounds| {
            let sight = (&sight, &activity);
            sandbox::read(connection, &request.sql, &parameters, limits, bounds, sight)
        })
        .await;
    let elapsed = started.elapsed();
    let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    let result = result?;
    tracing::debug!(%execution, elapsed_ms, rows = result.rows, "statement executed");
    let columns: Vec<_> = result
        .columns
        .iter()
        .map(|column| ColumnAnswer {
            name: column.name.clone(),
            kind: column.kind.clone(),
        })
        .collect();
    let mut envelope = Map::new();
    envelope.insert("executionId".to_owned(), json!(execution));
    envelope.insert("columns".to_owned(), json!(columns));
    let statistics = Statistics {
        row_count: result.rows,
        elapsed_ms,
    };
    envelope.insert("statistics".to_owned(), json!(statistics));
    answer(&result, format, "rows", envelope)
}

fn parameters(params: Value) -> httpkit::Result<Parameters> {
    let bound = |pointer: String, value: Value| match value {
        Value::Null => Ok(Bound::Null),
        Value::Bool(value) => Ok(Bound::Boolean(value)),
        Value::String(text) => Ok(Bound::Text(text)),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(integer), ..) => Ok(Bound::BigInt(integer)),
            (_, Some(integer), _) => Ok(Bound::UBigInt(integer)),
            (.., Some(double)) => Ok(Bound::Double(double)),
            _ => Err(Problem::invalid(&pointer, "the number is out of range")),
        },
        Value::Array(_) | Value::Object(_) => Err(Problem::invalid(
            &pointer,
            "must be text, a number, true, false or null",
        )),
    };
    match params {
        Value::Null => Ok(Parameters::Positional(Vec::new())),
        Value::Array(values) => values
            .into_iter()
            .enumerate()
            .map(|(index, value)| bound(format!("/params/{index}"), value))
            .collect::<httpkit::Result<_>>()
            .map(Parameters::Positional),
        Value::Object(values) => values
            .into_iter()
            .map(|(name, value)| Ok((name.clone(), bound(format!("/params/{name}"), value)?)))
            .collect::<httpkit::Result<_>>()
            .map(Parameters::Named),
        _ => Err(Problem::invalid("/params", "must be a list or an object")),
    }
}

/// The tables that statements can read.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SchemaAnswer {
    /// When this was looked up.
    #[schema(value_type = String, format = DateTime)]
    fetched_at: Time,
    /// By name.
    tables: Vec<Table>,
    /// What the reader should know.
    warnings: Vec<String>,
}

/// A table.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Table {
    /// As SQL names it.
    name: String,
    /// The dataset's name.
    description: Option<String>,
    /// In order.
    columns: Vec<TableColumn>,
}

/// A column of a table.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TableColumn {
    /// As SQL names it.
    name: String,
    /// Its SQL type.
    #[serde(rename = "type")]
    kind: String,
    /// Whether it may be NULL.
    nullable: bool,
}

/// Show the tables
///
/// The tables that `/sql/read` can read, with their columns.
#[utoipa::path(get, path = "/sql/schema", tag = "sql", operation_id = "getSqlSchema",
    responses((status = 200, description = "The tables", body = SchemaAnswer)))]
pub(super) async fn schema(State(shared): State<Shared>) -> httpkit::Result<Json<SchemaAnswer>> {
    let tables = shared
        .reads
        .read(shared.options.sql_timeout, |connection| {
            let mut statement = connection.prepare(include_str!("../sql/schema.sql"))?;
            let mut rows = statement.query([])?;
            let mut tables: Vec<Table> = Vec::new();
            while let Some(row) = rows.next()? {
                let (name, description) = (row.get::<_, String>(0)?, row.get(1)?);
                let column = TableColumn {
                    name: row.get(2)?,
                    kind: row.get(3)?,
                    nullable: row.get(4)?,
                };
                match tables.last_mut().filter(|table| table.name == name) {
                    Some(table) => table.columns.push(column),
                    None => tables.push(Table {
                        name,
                        description,
                        columns: vec![column],
                    }),
                }
            }
            Ok(tables)
        })
        .await?;
    let fetched_at = shared.options.clock.now();
    Ok(Json(SchemaAnswer {
        fetched_at,
        tables,
        warnings: Vec::new(),
    }))
}
