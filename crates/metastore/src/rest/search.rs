//! Search.

use super::limit;
use super::records::shown;
use crate::Metastore;
use crate::record::valid;
use crate::search::{
    Access, Cursor, Direction, Filter, Found, Lead, Order, Query, Terms, Way, name_of_field, parse,
    project, sort_field, terms, unknown,
};
use axum::extract::State;
use httpkit::{Caller, Json, Problem};
use journal::Time;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use serde_json::Value;

const LIMIT: u32 = 1_000;
const SORT_KEYS: usize = 5;
const PROJECTION: usize = 32;
/// What `summary` shows, besides what `projection` names.
const SUMMARY: [&str; 8] = [
    "namespace",
    "key",
    "version",
    "updatedAt",
    "owner",
    "schemaHash",
    "tags",
    "deletedAt",
];
/// As many nodes may be missing in the index of names without a warning.
const LOOKED_THROUGH: u64 = 20_000;

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
    /// What people type: words of the path and `field:value` terms, all of which must hold; `OR`,
    /// `-term`, parentheses, `"quotes"`.
    #[serde(default)]
    #[schema(example = "report ext:pdf size:>1M -draft")]
    q: Option<String>,
    /// As `q`; both must hold if both are given.
    #[serde(default)]
    search: Option<String>,
    /// A search of the configuration.
    #[serde(default)]
    preset: Option<String>,
    /// At most five keys. If it is left out: by the last write of a person, newest first, and then
    /// what nobody has written to, the newest node first; a search by words or names may come in the
    /// order in which the index finds it.
    #[serde(default)]
    sort: Option<Vec<SortBody>>,
    /// Which fields to give; all, if it is left out.
    #[serde(default)]
    projection: Option<Vec<String>>,
    /// Give only namespace, key, version, updatedAt, owner, schemaHash, tags, deletedAt, and what
    /// `projection` names.
    #[serde(default)]
    summary: bool,
    /// 1 to 1000; 50 if it is left out.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// As many are left out before the first.
    #[serde(default)]
    offset: Option<u64>,
    /// `nextCursor` of the page before, with the same search: what others write meanwhile makes no
    /// record come twice, and leaves none out.
    #[serde(default)]
    cursor: Option<String>,
    /// Soft-deleted records too.
    #[serde(default)]
    include_deleted: Option<bool>,
    /// Count all records that match, however long it takes.
    #[serde(default)]
    exact_total: bool,
    /// Say how the records were found. Not for a token that is limited to some namespaces: the way
    /// depends on what is in the others.
    #[serde(default)]
    explain: bool,
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
    pagination: SearchPagination,
    /// What was found: all of each, or the parts that were asked for.
    #[schema(value_type = Vec<crate::words::Found>)]
    records: Vec<Value>,
    /// What may have been meant otherwise.
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explain: Option<Explain>,
}

/// Which part of what was found an answer is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct SearchPagination {
    /// As many records match; at least, if `isTotalExact` is false.
    total: u64,
    /// Counting stops where it would take long, at least 1000 records behind the page, unless
    /// `exactTotal` is asked for.
    is_total_exact: bool,
    limit: u32,
    offset: u64,
    /// The offset of the next page, if there is one; not in a page by cursor.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_offset: Option<u64>,
    /// Where the next page begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// How records were found.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct Explain {
    /// What the search began with: `names`, `path`, `record` (key, tags, owner), `namespace`, `metadata`
    /// (all records that have some), `field` (one that is indexed) or `everything`.
    begins_with: &'static str,
    /// The steps.
    plan: Vec<String>,
    /// As many nodes were looked through because the index of names does not have them yet.
    looked_through: u64,
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
    if body.explain {
        caller.require_unlimited()?;
    }
    let projection = projection(&body)?;
    let search = fingerprint(&body);
    let after = match &body.cursor {
        Some(cursor) => Some(
            Cursor::read(cursor, search)
                .map_err(|detail| Problem::invalid("/cursor", detail.to_owned()))?,
        ),
        None => None,
    };
    if after.is_some() && body.offset.is_some_and(|offset| offset > 0) {
        return Err(Problem::invalid(
            "/offset",
            "a cursor takes its place; leave it out",
        ));
    }
    let Terms { mut filter, others } = meant(&metastore, &caller, &body)?;
    let mut order = sort(body.sort.unwrap_or_default())?;
    // Nor is where a node was before: that may lie in another namespace.
    if caller.namespaces().is_some() {
        filter = filter.map(Filter::without_previous_path);
        order = order.map(Order::without_previous_path);
    }
    let mut query = Query {
        filter,
        order,
        includes_deleted: body.include_deleted.unwrap_or_default(),
        limit: limit(body.limit, 50, LIMIT)?,
        offset: body.offset.unwrap_or_default(),
        namespaces: Some(vec![body.namespace]),
        after,
        counts_all: body.exact_total,
        indexed: std::sync::Arc::clone(&metastore.0.indexed_fields),
    };
    let reader = caller.clone();
    let (page_limit, offset, is_first) = (query.limit, query.offset, query.after.is_none());
    let explains = body.explain;
    let (found, mut warnings, explain) = metastore
        .0
        .read(move |db| {
            if is_all {
                query.namespaces = visible(db, &caller)?;
            }
            let found = query.run(db)?;
            let warnings = unknown(db, query.namespaces.as_deref(), &others)?;
            let explain = if explains {
                Some(explain(db, &query, &found)?)
            } else {
                None
            };
            Ok((found, warnings, explain))
        })
        .await?;
    // How many nodes there are is not for everyone.
    if !reader.is_limited() {
        warnings.extend(slow(&found, explains));
    }
    let has_more = found.next.is_some();
    let next_offset = offset.saturating_add(u64::from(page_limit));
    let pagination = SearchPagination {
        total: found.total,
        is_total_exact: found.is_total_exact,
        limit: page_limit,
        offset,
        next_offset: (has_more && is_first).then_some(next_offset),
        next_cursor: found.next.map(|next| next.write(search)),
    };
    let records = found.records.into_iter().map(|record| {
        let shown = serde_json::to_value(shown(record, &reader)).unwrap_or_default();
        if projection.is_empty() {
            shown
        } else {
            project(&shown, &projection)
        }
    });
    Ok(Json(SearchPage {
        records: records.collect(),
        pagination,
        warnings,
        explain,
    }))
}

/// A hash of what decides which records are found and in which order.
fn fingerprint(body: &SearchBody) -> u64 {
    let sort = body.sort.as_deref().unwrap_or_default();
    let sort = sort
        .iter()
        .map(|key| format!("{} {:?}", key.field, key.direction));
    let asked = serde_json::json!([
        body.namespace,
        body.filter,
        body.q,
        body.search,
        body.preset,
        sort.collect::<Vec<_>>(),
        body.include_deleted,
    ]);
    let hash = blake3::hash(asked.to_string().as_bytes());
    hash.as_bytes()
        .iter()
        .take(8)
        .fold(0, |hash, byte| hash << 8 | u64::from(*byte))
}

fn explain(db: &Connection, query: &Query, found: &Found) -> rusqlite::Result<Explain> {
    let begins_with = match &found.way {
        Way::Walk(_, Lead::Under(_)) | Way::Table(Access::Path | Access::Nodes) => "path",
        Way::Walk(..) => "names",
        Way::Table(Access::Record | Access::Key) => "record",
        Way::Table(Access::Namespace) => "namespace",
        Way::Table(Access::Said) => "metadata",
        Way::Table(Access::Field) => "field",
        Way::Table(Access::Latest) => "everything",
    };
    Ok(Explain {
        begins_with,
        plan: query.plan(db, &found.way)?,
        looked_through: found.looked_through,
    })
}

/// Warnings of a search that reads more than it should have to.
fn slow(found: &Found, explains: bool) -> Option<String> {
    if found.looked_through > LOOKED_THROUGH {
        return Some(format!(
            "the index of names is still being made: {} nodes were looked through one by one",
            found.looked_through
        ));
    }
    match found.way {
        Way::Table(Access::Latest) if explains => Some(
            "this search reads every record until its page is full; add a word of the path, \
             path:dir/, name:, ext:, tag:, owner: or key: to read fewer"
                .to_owned(),
        ),
        Way::Table(Access::Said) if explains => Some(
            "this search reads every record that has metadata; name the field in \
             METASTORE_INDEXED_FIELDS to have it indexed"
                .to_owned(),
        ),
        _ => None,
    }
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

/// What the body asks for: everything that it names must hold.
fn meant(metastore: &Metastore, caller: &Caller, body: &SearchBody) -> Result<Terms, Problem> {
    let now = metastore.0.clock.now();
    let mut filters = Vec::new();
    let mut others = Vec::new();
    if let Some(json) = body.filter.as_ref().filter(|json| !json.is_null()) {
        filters.push(parse(json, "/filter")?);
    }
    for (text, pointer) in [(&body.q, "/q"), (&body.search, "/search")] {
        if let Some(text) = text {
            let meant = terms(text, pointer, now)?;
            filters.extend(meant.filter);
            others.extend(meant.others);
        }
    }
    if let Some(name) = &body.preset {
        filters.push(preset(metastore, caller, name, now)?);
    }
    let filter = if filters.len() > 1 {
        Some(Filter::All(filters))
    } else {
        filters.pop()
    };
    Ok(Terms { filter, others })
}

fn preset(
    metastore: &Metastore,
    caller: &Caller,
    name: &str,
    now: Time,
) -> Result<Filter, Problem> {
    let presets = &metastore.0.presets;
    let Some(preset) = presets.iter().find(|preset| preset.name == name) else {
        let known: Vec<_> = presets.iter().map(|preset| preset.name.as_str()).collect();
        let known = if known.is_empty() {
            "the configuration has none".to_owned()
        } else {
            format!("there are {}", known.join(", "))
        };
        let detail = format!("there is no search preset {name:?}; {known}");
        return Err(Problem::invalid("/preset", detail));
    };
    caller.require_configured(&preset.required_scopes)?;
    Ok(preset.filter(now)?)
}

/// The order that is asked for, if one is.
fn sort(keys: Vec<SortBody>) -> Result<Option<Order>, Problem> {
    if keys.len() > SORT_KEYS {
        return Err(Problem::invalid(
            "/sort",
            format!("at most {SORT_KEYS} keys"),
        ));
    }
    if keys.is_empty() {
        return Ok(None);
    }
    let keys = keys
        .into_iter()
        .enumerate()
        .map(|(index, key)| {
            let direction = match key.direction {
                Some(SortDirection::Asc) => Direction::Ascending,
                Some(SortDirection::Desc) | None => Direction::Descending,
            };
            let name = name_of_field(&key.field).unwrap_or(&key.field);
            sort_field(name, direction)
                .map_err(|detail| Problem::invalid(&format!("/sort/{index}/field"), detail))
        })
        .collect::<Result<_, _>>()?;
    Ok(Some(Order::new(keys)))
}

fn projection(body: &SearchBody) -> Result<Vec<String>, Problem> {
    let named = body.projection.clone().unwrap_or_default();
    if named.len() > PROJECTION {
        return Err(Problem::invalid(
            "/projection",
            format!("at most {PROJECTION} fields"),
        ));
    }
    let summary = SUMMARY.iter().filter(|_| body.summary);
    Ok(summary.map(|&name| name.to_owned()).chain(named).collect())
}
