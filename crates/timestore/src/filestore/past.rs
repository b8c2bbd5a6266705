//! What was: one node's history, the tree at a time, reconciliation by day.

use super::scope::limit;
use super::{MOUNT, Question, ScopeQuery, integer, text};
use crate::error::Result;
use crate::query::micros;
use duckdb::types::Value;
use journal::{JournalId, Time};
use serde::Deserialize;
use std::collections::HashMap;
use utoipa::IntoParams;

const ROWS_DEFAULT: usize = 1_000;
const ROWS_MAX: usize = 10_000;

/// The tree at a time.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct AsOfQuery {
    /// The time; changes at it belong to it.
    #[param(value_type = String, format = DateTime)]
    pub(crate) at: Time,
    /// Only nodes whose path comes after this one.
    pub(crate) after: Option<String>,
    /// At most so many nodes; 1,000, if left out.
    pub(crate) limit: Option<usize>,
}

/// The nodes under the prefix at that time, and what they sum up to: the statement's rows and its
/// totals.
pub(crate) fn as_of(query: &AsOfQuery, scope: &ScopeQuery) -> Result<(Question, Question)> {
    scope.check()?;
    let limit = limit(query.limit, ROWS_DEFAULT, ROWS_MAX)?;
    let mut params = HashMap::from([("at".to_owned(), micros(query.at.as_micros()))]);
    let rows = scope.inside("path", MOUNT, &mut params);
    let sql = |tail: &str| {
        format!(
            "{}{tail}",
            include_str!("../sql/as_of.sql").replace("{rows}", &rows)
        )
    };
    let totals = Question {
        sql: sql(include_str!("../sql/as_of_totals.sql")),
        params: params.clone(),
        limit: 1,
        reads_hours: false,
    };
    params.insert(
        "after".to_owned(),
        text(query.after.clone().unwrap_or_default()),
    );
    params.insert("is_first".to_owned(), Value::Boolean(query.after.is_none()));
    params.insert("limit".to_owned(), integer(limit + 1));
    Ok((
        Question {
            sql: sql(include_str!("../sql/as_of_nodes.sql")),
            params,
            limit,
            reads_hours: false,
        },
        totals,
    ))
}

/// Everything that happened to one node, in the order of the journal.
pub(crate) fn timeline(node_id: i64, after: JournalId, asked: Option<usize>) -> Result<Question> {
    let limit = limit(asked, ROWS_DEFAULT, ROWS_MAX)?;
    let params = HashMap::from([
        ("node".to_owned(), Value::BigInt(node_id)),
        ("after".to_owned(), Value::BigInt(after.as_i64())),
        ("limit".to_owned(), integer(limit + 1)),
    ]);
    Ok(Question {
        sql: include_str!("../sql/timeline.sql").to_owned(),
        params,
        limit,
        reads_hours: false,
    })
}

/// Reconciliation's outcomes by day.
pub(crate) fn reconciliation(scope: &ScopeQuery) -> Result<Question> {
    scope.check()?;
    let mut params = HashMap::from([("limit".to_owned(), integer(ROWS_MAX + 1))]);
    let rows = format!(
        "{} AND {} AND {}",
        scope.inside("path", MOUNT, &mut params),
        scope.since(&mut params),
        scope.until(&mut params)
    );
    let sql = include_str!("../sql/reconciliation.sql").replace("{rows}", &rows);
    Ok(Question {
        sql,
        params,
        limit: ROWS_MAX,
        reads_hours: false,
    })
}
