//! What namespaces there are.

use super::{Pagination, limit};
use crate::Metastore;
use crate::namespaces;
use crate::search::successor;
use axum::extract::State;
use httpkit::{Caller, Json, Problem, Query};
use journal::Time;
use rusqlite::{Connection, Row, params};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most owners that are counted out for a namespace.
const OWNERS: usize = 50;

/// Which namespaces to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct NamespacesQuery {
    /// Only names that begin so.
    #[serde(default)]
    prefix: String,
    /// 1 to 200; 25 if it is left out.
    #[serde(default)]
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// As many are left out before the first.
    #[serde(default)]
    offset: u64,
    /// `nextCursor` of the page before, instead of an offset: what is added meanwhile makes no
    /// namespace come twice.
    #[serde(default)]
    cursor: Option<String>,
}

/// A page of namespaces.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct NamespacesPage {
    pagination: Pagination,
    namespaces: Vec<Namespace>,
    /// Where the next page begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// What is in a namespace.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct Namespace {
    name: String,
    total_records: i64,
    deleted_records: i64,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_updated_at: Option<Time>,
    /// The owners with the most records, at most 50.
    owner_counts: Vec<OwnerCount>,
}

/// How many records an owner has.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct OwnerCount {
    owner: String,
    count: i64,
}

/// The namespaces that the caller may see, by name.
#[utoipa::path(get, path = "/namespaces", tag = "namespaces", operation_id = "listNamespaces",
    params(NamespacesQuery), responses((status = 200, body = NamespacesPage)))]
pub(super) async fn list(
    State(metastore): State<Metastore>,
    caller: Caller,
    Query(query): Query<NamespacesQuery>,
) -> Result<Json<NamespacesPage>, Problem> {
    let page_limit = limit(query.limit, 25, 200)?;
    let prefix = query.prefix;
    let mut all = metastore
        .0
        .read(move |db| Ok(namespaces(db, &prefix)?))
        .await?;
    all.retain(|namespace| caller.may_namespace(&namespace.name));
    let total = i64::try_from(all.len()).unwrap_or(i64::MAX);
    let passed = match &query.cursor {
        Some(cursor) => all.partition_point(|namespace| namespace.name <= *cursor),
        None => usize::try_from(query.offset).unwrap_or(usize::MAX),
    };
    let page = usize::try_from(page_limit).unwrap_or(usize::MAX);
    let is_last = all.len() <= passed.saturating_add(page);
    let namespaces: Vec<_> = all.into_iter().skip(passed).take(page).collect();
    let last = namespaces.last().map(|namespace| namespace.name.clone());
    let passed = u64::try_from(passed).unwrap_or(u64::MAX);
    Ok(Json(NamespacesPage {
        pagination: Pagination::new(total, page_limit, passed),
        namespaces,
        next_cursor: last.filter(|_| !is_last),
    }))
}

fn namespaces(db: &Connection, prefix: &str) -> rusqlite::Result<Vec<Namespace>> {
    let transaction = db.unchecked_transaction()?;
    let end = successor(prefix).unwrap_or_else(|| char::MAX.to_string());
    let mut namespaces: BTreeMap<String, Namespace> = BTreeMap::new();
    let mut add = |name: String, records: Records| {
        if records.total > 0 {
            let namespace = namespaces
                .entry(name.clone())
                .or_insert_with(|| Namespace::named(name));
            namespace.add(&records);
        }
    };
    for (number, name) in numbered(&transaction, prefix, &end)? {
        let sql = match number {
            namespaces::LARGEST => include_str!("../sql/namespace_of_nodes.sql"),
            _ => include_str!("../sql/namespace_of_few_nodes.sql"),
        };
        let records = transaction
            .prepare_cached(sql)?
            .query_row([number], |row| Records::from_row(row, 0))?;
        add(name, records);
    }
    transaction
        .prepare_cached(include_str!("../sql/namespaces_of_others.sql"))?
        .query_map([prefix, &end], |row| {
            Ok((row.get(0)?, Records::from_row(row, 1)?))
        })?
        .try_for_each(|row| row.map(|(name, records)| add(name, records)))?;
    let mut owners = transaction.prepare_cached(include_str!("../sql/namespace_owners.sql"))?;
    let owners = owners.query_map(params![prefix, end], |row| {
        Ok((
            row.get::<_, String>(0)?,
            OwnerCount {
                owner: row.get(1)?,
                count: row.get(2)?,
            },
        ))
    })?;
    for owner in owners {
        let (name, count) = owner?;
        if let Some(namespace) = namespaces.get_mut(&name)
            && namespace.owner_counts.len() < OWNERS
        {
            namespace.owner_counts.push(count);
        }
    }
    Ok(namespaces.into_values().collect())
}

/// The namespaces that nodes name by number.
fn numbered(db: &Connection, from: &str, to: &str) -> rusqlite::Result<Vec<(i64, String)>> {
    db.prepare_cached("SELECT id, name FROM namespaces WHERE name >= ?1 AND name < ?2")?
        .query_map([from, to], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// How many records there are somewhere.
struct Records {
    total: i64,
    deleted: i64,
    last_updated_at: Option<Time>,
}

impl Records {
    /// Three columns from `first` on.
    fn from_row(row: &Row<'_>, first: usize) -> rusqlite::Result<Self> {
        let last: Option<i64> = row.get(first + 2)?;
        Ok(Self {
            total: row.get(first)?,
            deleted: row.get(first + 1)?,
            last_updated_at: last.map(Time::from_millis),
        })
    }
}

impl Namespace {
    const fn named(name: String) -> Self {
        Self {
            name,
            total_records: 0,
            deleted_records: 0,
            last_updated_at: None,
            owner_counts: Vec::new(),
        }
    }

    fn add(&mut self, records: &Records) {
        self.total_records += records.total;
        self.deleted_records += records.deleted;
        self.last_updated_at = self.last_updated_at.max(records.last_updated_at);
    }
}
