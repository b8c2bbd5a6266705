//! Search.

use super::{Pagination, limit};
use crate::Metastore;
use crate::record::valid;
use crate::search::{Direction, Filter, Query, Sort, parse, project, sort_field, terms};
use axum::extract::State;
use httpkit::{Caller, Json, Problem};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use serde_json::Value;

const LIMIT: u32 = 1_000;
const SORT_KEYS: usize = 5;
const PROJECTION: usize = 32;

/// What to search for.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SearchBody {
    /// A namespace, or `*` for all that the caller may see.
    namespace: String,
    /// `{field, operator, value|values}`, `{type: "group", operator: "and"|"or", filters}` or
    /// `{type: "not", filter}`, at most eight deep.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    filter: Option<Value>,
    /// `field:value` terms, all of which must hold.
    #[serde(default)]
    #[schema(example = "owner:ada filestore.path:docs/**")]
    q: Option<String>,
    /// A filter of the configuration.
    #[serde(default)]
    preset: Option<String>,
    /// At most five keys; by the last write, newest first, if it is left out.
    #[serde(default)]
    sort: Option<Vec<SortBody>>,
    /// Which fields to give; all, if it is left out.
    #[serde(default)]
    projection: Option<Vec<String>>,
    /// 1 to 1000; 50 if it is left out.
    #[serde(default)]
    limit: Option<u32>,
    #[serde(default)]
    offset: Option<u64>,
    #[serde(default)]
    include_deleted: Option<bool>,
}

/// One key of the order.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct SortBody {
    field: String,
    /// `asc` or `desc`; `desc` if it is left out.
    #[serde(default)]
    direction: Option<SortDirection>,
}

#[derive(Clone, Copy, Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
enum SortDirection {
    Asc,
    Desc,
}

/// A page of what was found.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct SearchPage {
    pagination: Pagination,
    /// Records, or the parts of them that were asked for.
    #[schema(value_type = Vec<crate::Record>)]
    records: Vec<Value>,
}

/// Searches records by what people and the sync say.
#[utoipa::path(post, path = "/records/search", tag = "records", operation_id = "searchRecords",
    request_body = SearchBody, responses((status = 200, body = SearchPage)),
    security(("bearer" = ["metastore:read"])))]
pub(super) async fn search(
    State(metastore): State<Metastore>,
    caller: Caller,
    Json(body): Json<SearchBody>,
) -> Result<Json<SearchPage>, Problem> {
    let is_all = body.namespace == "*";
    if !is_all {
        valid::namespace(&body.namespace)
            .map_err(|detail| Problem::invalid("/namespace", format!("{detail}; or *")))?;
        caller.require_namespace(&body.namespace)?;
    }
    let projection = projection(body.projection)?;
    let mut query = Query {
        filter: filter(&metastore, body.filter, body.q, body.preset)?,
        sort: sort(body.sort.unwrap_or_default())?,
        includes_deleted: body.include_deleted.unwrap_or_default(),
        limit: limit(body.limit, 50, LIMIT)?,
        offset: body.offset.unwrap_or_default(),
        namespaces: Some(vec![body.namespace]),
    };
    let (page_limit, offset) = (query.limit, query.offset);
    let found = metastore
        .0
        .read(move |db| {
            if is_all {
                query.namespaces = visible(db, &caller)?;
            }
            Ok(query.run(db)?)
        })
        .await?;
    let records = found.records.into_iter().map(|record| {
        let shown = serde_json::to_value(record.shown()).unwrap_or_default();
        if projection.is_empty() {
            shown
        } else {
            project(&shown, &projection)
        }
    });
    Ok(Json(SearchPage {
        records: records.collect(),
        pagination: Pagination::new(found.total, page_limit, offset),
    }))
}

/// The namespaces that the caller may see; `None` if that is all of them.
fn visible(db: &Connection, caller: &Caller) -> rusqlite::Result<Option<Vec<String>>> {
    let all = names(db)?;
    let count = all.len();
    let visible: Vec<_> = all
        .into_iter()
        .filter(|name| caller.may_namespace(name))
        .collect();
    Ok((visible.len() < count).then_some(visible))
}

/// All namespaces, found by leaping from one to the next in the index.
fn names(db: &Connection) -> rusqlite::Result<Vec<String>> {
    db.prepare_cached(include_str!("../sql/namespace_names.sql"))?
        .query_map([], |row| row.get(0))?
        .collect()
}

fn filter(
    metastore: &Metastore,
    json: Option<Value>,
    q: Option<String>,
    preset: Option<String>,
) -> Result<Option<Filter>, Problem> {
    let mut filters = Vec::new();
    if let Some(json) = json.filter(|json| !json.is_null()) {
        filters.push(parse(&json, "/filter")?);
    }
    if let Some(q) = q {
        filters.extend(terms(&q, "/q")?);
    }
    if let Some(name) = preset {
        let preset = metastore.0.presets.get(&name).cloned();
        filters.push(preset.ok_or_else(|| {
            Problem::invalid("/preset", format!("there is no search preset {name:?}"))
        })?);
    }
    Ok(if filters.len() > 1 {
        Some(Filter::All(filters))
    } else {
        filters.pop()
    })
}

fn sort(keys: Vec<SortBody>) -> Result<Vec<Sort>, Problem> {
    if keys.len() > SORT_KEYS {
        return Err(Problem::invalid(
            "/sort",
            format!("at most {SORT_KEYS} keys"),
        ));
    }
    keys.into_iter()
        .enumerate()
        .map(|(index, key)| {
            let direction = match key.direction {
                Some(SortDirection::Asc) => Direction::Ascending,
                Some(SortDirection::Desc) | None => Direction::Descending,
            };
            sort_field(&key.field, direction)
                .map_err(|detail| Problem::invalid(&format!("/sort/{index}/field"), detail))
        })
        .collect()
}

fn projection(fields: Option<Vec<String>>) -> Result<Vec<String>, Problem> {
    let fields = fields.unwrap_or_default();
    if fields.len() > PROJECTION {
        return Err(Problem::invalid(
            "/projection",
            format!("at most {PROJECTION} fields"),
        ));
    }
    Ok(fields)
}
