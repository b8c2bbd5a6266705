//! What was: one node's history, the tree at a time, reconciliation by day.

use super::scope::limit;
use super::{Key, MOUNT, PageQuery, Pages, Question, ScopeQuery, integer, next_cursor, text};
use crate::error::Result;
use crate::query::micros;
use crate::sight::Sight;
use crate::statement::{self, Limits, ResultSet};
use duckdb::types::Value;
use duckdb::{Connection, OptionalExt as _};
use journal::{JournalId, Time};
use serde::Deserialize;
use std::collections::HashMap;
use utoipa::IntoParams;

const ROWS_DEFAULT: usize = 1_000;
const ROWS_MAX: usize = 10_000;

/// The tree at a time is looked for among so many rows for each node that is wanted, the first in
/// the order of paths; and if that does not do, among so many times more.
const FIRST_LOOK: usize = 8;
const LOOK_FURTHER: usize = 8;

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

const TREE_KEYS: [Key; 2] = [
    Key::ascending("path", "VARCHAR"),
    Key::ascending("nodeId", "BIGINT"),
];

/// The statements that find the tree at a time.
#[derive(Clone, Debug)]
pub(crate) struct AsOf {
    totals: String,
    bound: String,
    nodes: String,
    /// Of the totals, and among those of the others.
    params: HashMap<String, Value>,
    /// The cursor's values and what the path lies after.
    last: HashMap<String, Value>,
    after: Option<String>,
    limit: usize,
}

/// What there was.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) nodes: ResultSet,
    /// Bytes, files and directories of all nodes.
    pub(crate) totals: [i128; 3],
}

/// The nodes under the prefix at that time, and what they sum up to.
pub(crate) fn as_of(query: &AsOfQuery, scope: &ScopeQuery, page: &PageQuery) -> Result<AsOf> {
    scope.check()?;
    let limit = limit(query.limit, ROWS_DEFAULT, ROWS_MAX)?;
    let mut params = HashMap::from([("at".to_owned(), micros(query.at.as_micros()))]);
    let rows = scope.inside("path", MOUNT, &mut params);
    let mut last = HashMap::new();
    let page = page.page(&TREE_KEYS, &mut last)?;
    let from = if last.is_empty() {
        "TRUE"
    } else {
        "path >= $last0"
    };
    let sql = |text: &str| {
        text.replace("{rows}", &rows)
            .replace("{from}", from)
            .replace("{after}", &page.condition)
    };
    Ok(AsOf {
        totals: sql(include_str!("../sql/as_of_totals.sql")),
        bound: sql(include_str!("../sql/as_of_bound.sql")),
        nodes: sql(include_str!("../sql/as_of_nodes.sql")),
        params,
        last,
        after: query.after.clone(),
        limit,
    })
}

impl AsOf {
    /// Reads them, at one state of the book.
    pub(crate) fn read(&self, connection: &Connection, bytes: usize) -> Result<Tree> {
        let mut statement = connection.prepare(&self.totals)?;
        let totals = statement.query_row(&self.params, |row| {
            Ok([row.get::<_, i128>(0)?, row.get(1)?, row.get(2)?])
        })?;
        let mut rows = FIRST_LOOK * (self.limit + 1);
        loop {
            let bound = self.bound(connection, rows)?;
            let nodes = self.nodes(connection, bound.as_deref(), bytes)?;
            if bound.is_none() || nodes.cut.is_some() {
                return Ok(Tree { nodes, totals });
            }
            // Most of those rows are not of the tree at that time.
            rows = rows.saturating_mul(LOOK_FURTHER);
        }
    }

    /// The cursor after these nodes, of which there may be several at one path: one a mount.
    pub(crate) fn next_cursor(nodes: &ResultSet) -> Result<Option<String>> {
        next_cursor(nodes, &TREE_KEYS, 0)
    }

    /// The path up to which there are so many rows.
    fn bound(&self, connection: &Connection, rows: usize) -> Result<Option<String>> {
        let mut params = self.after();
        params.extend(
            self.last
                .get_key_value("last0")
                .map(|(name, value)| (name.clone(), value.clone())),
        );
        params.insert("offset".to_owned(), integer(rows));
        let mut statement = connection.prepare(&self.bound)?;
        Ok(statement.query_row(&params, |row| row.get(0)).optional()?)
    }

    /// The nodes up to that path; all there are, if it is not given.
    fn nodes(
        &self,
        connection: &Connection,
        bound: Option<&str>,
        bytes: usize,
    ) -> Result<ResultSet> {
        let mut params = self.after();
        params.extend(self.last.clone());
        params.insert("is_last".to_owned(), Value::Boolean(bound.is_none()));
        params.insert("bound".to_owned(), text(bound.unwrap_or_default()));
        params.insert("limit".to_owned(), integer(self.limit + 1));
        let limits = Limits {
            rows: self.limit,
            bytes,
        };
        let nodes = statement::run_own(connection, &self.nodes, &params, limits)?;
        Ok(nodes.with_exact_integers())
    }

    fn after(&self) -> HashMap<String, Value> {
        let mut params = self.params.clone();
        let after = self.after.clone();
        params.insert("is_first".to_owned(), Value::Boolean(after.is_none()));
        params.insert("after".to_owned(), text(after.unwrap_or_default()));
        params
    }
}

/// Everything that happened to one node, in the order of the journal, where the caller may see it.
pub(crate) fn timeline(
    node_id: i64,
    sight: &Sight,
    after: JournalId,
    asked: Option<usize>,
    page: &PageQuery,
) -> Result<Question> {
    let limit = limit(asked, ROWS_DEFAULT, ROWS_MAX)?;
    let keys = vec![Key::ascending("journalId", "BIGINT")];
    let mut params = HashMap::from([
        ("node".to_owned(), Value::BigInt(node_id)),
        ("after".to_owned(), Value::BigInt(after.as_i64())),
        ("limit".to_owned(), integer(limit + 1)),
    ]);
    let page = page.page(&keys, &mut params)?;
    let rows = sight.inside("path", MOUNT);
    let sql = include_str!("../sql/timeline.sql")
        .replace("{after}", &page.condition)
        .replace("{metadata}", &sight.column("metadata_json"))
        .replace("{previous_path}", &sight.column("previous_path"))
        .replace("{rows}", rows.as_deref().unwrap_or("TRUE"));
    let pages = Pages::Kept(keys);
    Ok(Question::of_rows(sql, params, limit, pages))
}

/// Reconciliation's outcomes by day.
pub(crate) fn reconciliation(
    scope: &ScopeQuery,
    asked: Option<usize>,
    page: &PageQuery,
) -> Result<Question> {
    scope.check()?;
    let limit = limit(asked, ROWS_MAX, ROWS_MAX)?;
    let keys = vec![Key::ascending("bucketStart", "TIMESTAMP")];
    let mut params = HashMap::from([("limit".to_owned(), integer(limit + 1))]);
    let page = page.page(&keys, &mut params)?;
    let rows = format!(
        "{} AND {}",
        scope.inside("path", MOUNT, &mut params),
        scope.in_range(&mut params)
    );
    let sql = include_str!("../sql/reconciliation.sql")
        .replace("{rows}", &rows)
        .replace("{after}", &page.condition);
    let pages = Pages::Kept(keys);
    Ok(Question::of_rows(sql, params, limit, pages))
}
