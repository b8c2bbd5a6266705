//! What the activity tells.

use super::Shared;
use super::answer::{RESULT_MAX_BYTES, answer, ask, negotiate, whole, with_next_cursor};
use super::datasets::FormatQuery;
use crate::error::Error;
use crate::questions::{
    self, AsOf, AsOfQuery, ChurnQuery, DuplicatesQuery, GrowthQuery, PageQuery, Pages, Question,
    Scope, ScopeQuery, TopQuery, UsageQuery,
};
use crate::sight::Sight;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use httpkit::{Caller, Path, Query};
use journal::{JournalId, Time};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

const JOURNAL_ID: HeaderName = HeaderName::from_static("tidemark-journal-id");
const DIGEST: HeaderName = HeaderName::from_static("tidemark-digest");
const EPOCH: HeaderName = HeaderName::from_static("tidemark-epoch");

/// A point of a growth series.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct GrowthPoint {
    /// When the bucket begins.
    #[schema(value_type = String, format = DateTime)]
    bucket_start: Time,
    /// The series; null without `groupBy`.
    group: Option<String>,
    /// Bytes that came to be in the bucket.
    bytes_added: i64,
    /// Bytes that went.
    bytes_removed: i64,
    /// What came less what went.
    net_bytes: i64,
    /// Bytes there were at the bucket's end.
    total_bytes: i64,
    /// Files that came to be.
    files_added: i64,
    /// Files that went.
    files_removed: i64,
    /// Files there were at the bucket's end.
    files: i64,
    /// Changes of nodes.
    changes: i64,
}

/// Growth by buckets of time.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GrowthAnswer {
    /// Buckets in which something changed, in order; between them the totals stay.
    series: Vec<GrowthPoint>,
    truncated: bool,
    warnings: Vec<String>,
}

/// Rows of an answer whose columns depend on the question.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RowsAnswer {
    rows: Vec<Map<String, Value>>,
    /// The `cursor` of the next page; null on the last one.
    next_cursor: Option<String>,
    truncated: bool,
    warnings: Vec<String>,
}

async fn rows(
    shared: &Shared,
    headers: &HeaderMap,
    format: &FormatQuery,
    question: Result<Question, Error>,
    rows_name: &str,
) -> httpkit::Result<Response> {
    let format = negotiate(headers, format.format.as_deref())?;
    let question = question?;
    let has_pages = !matches!(question.pages, Pages::None);
    let (result, cursor) = ask(shared, question).await?;
    let mut envelope = Map::new();
    if has_pages {
        envelope.insert("nextCursor".to_owned(), cursor.clone().into());
    }
    let response = answer(&result, format, rows_name, envelope)?;
    Ok(with_next_cursor(response, cursor.as_deref()))
}

/// Growth
///
/// How much came, went and was there, by buckets of time in UTC.
#[utoipa::path(get, path = "/filestore/growth", tag = "filestore", operation_id = "getGrowth",
    params(ScopeQuery, GrowthQuery, FormatQuery),
    responses((status = 200, description = "The series", content(
        (GrowthAnswer = "application/json"), (String = "text/csv"), (String = "application/x-ndjson"),
        (Vec<u8> = "application/vnd.apache.arrow.stream")))))]
pub(super) async fn growth(
    State(shared): State<Shared>,
    Scope(scope): Scope,
    Query(query): Query<GrowthQuery>,
    Query(format): Query<FormatQuery>,
    headers: HeaderMap,
) -> httpkit::Result<Response> {
    rows(&shared, &headers, &format, query.question(&scope), "series").await
}

/// Churn
///
/// What is rewritten, moved and deleted most.
#[utoipa::path(get, path = "/filestore/churn", tag = "filestore", operation_id = "getChurn",
    params(ScopeQuery, ChurnQuery, PageQuery, FormatQuery),
    responses((status = 200, description = "The groups, the most changed first", content(
        (RowsAnswer = "application/json"), (String = "text/csv"), (String = "application/x-ndjson"),
        (Vec<u8> = "application/vnd.apache.arrow.stream")))))]
pub(super) async fn churn(
    State(shared): State<Shared>,
    Scope(scope): Scope,
    Query(query): Query<ChurnQuery>,
    Query(page): Query<PageQuery>,
    Query(format): Query<FormatQuery>,
    headers: HeaderMap,
) -> httpkit::Result<Response> {
    rows(
        &shared,
        &headers,
        &format,
        query.question(&scope, &page),
        "rows",
    )
    .await
}

/// Files or directories that stand out
///
/// The largest, the fastest growing (between `from` and `to`), those untouched for longest. A row of
/// a directory has the number of `files` below it, and no `nodeId`.
#[utoipa::path(get, path = "/filestore/top", tag = "filestore", operation_id = "getTop",
    params(ScopeQuery, TopQuery, PageQuery, FormatQuery),
    responses((status = 200, description = "The files or directories", content(
        (RowsAnswer = "application/json"), (String = "text/csv"), (String = "application/x-ndjson"),
        (Vec<u8> = "application/vnd.apache.arrow.stream")))))]
pub(super) async fn top(
    State(shared): State<Shared>,
    Scope(scope): Scope,
    Query(query): Query<TopQuery>,
    Query(page): Query<PageQuery>,
    Query(format): Query<FormatQuery>,
    headers: HeaderMap,
) -> httpkit::Result<Response> {
    rows(
        &shared,
        &headers,
        &format,
        query.question(&scope, &page),
        "rows",
    )
    .await
}

/// Usage
///
/// Whose the bytes are, or of what kind, now or at a time. Files count under each of their names;
/// the quantiles of the size are those of classes of sizes, and less than a tenth off.
#[utoipa::path(get, path = "/filestore/usage", tag = "filestore", operation_id = "getUsage",
    params(ScopeQuery, UsageQuery, PageQuery, FormatQuery),
    responses((status = 200, description = "The groups, the largest first", content(
        (RowsAnswer = "application/json"), (String = "text/csv"), (String = "application/x-ndjson"),
        (Vec<u8> = "application/vnd.apache.arrow.stream")))))]
pub(super) async fn usage(
    State(shared): State<Shared>,
    Scope(scope): Scope,
    Query(query): Query<UsageQuery>,
    Query(page): Query<PageQuery>,
    Query(format): Query<FormatQuery>,
    headers: HeaderMap,
) -> httpkit::Result<Response> {
    let question = query.question(&scope, &page, shared.options.clock.now());
    rows(&shared, &headers, &format, question, "rows").await
}

/// Duplicates
///
/// Files that have the same contents, now or at a time, as far as their hashes are known: how many
/// copies, how many bytes one copy alone would save, and which of them is the oldest. Names of one
/// file are no copies.
#[utoipa::path(get, path = "/filestore/duplicates", tag = "filestore", operation_id = "getDuplicates",
    params(ScopeQuery, DuplicatesQuery, PageQuery, FormatQuery),
    responses((status = 200, description = "The groups, those that save most first", content(
        (RowsAnswer = "application/json"), (String = "text/csv"), (String = "application/x-ndjson"),
        (Vec<u8> = "application/vnd.apache.arrow.stream")))))]
pub(super) async fn duplicates(
    State(shared): State<Shared>,
    Scope(scope): Scope,
    Query(query): Query<DuplicatesQuery>,
    Query(page): Query<PageQuery>,
    Query(format): Query<FormatQuery>,
    headers: HeaderMap,
) -> httpkit::Result<Response> {
    let question = query.question(&scope, &page);
    rows(&shared, &headers, &format, question, "rows").await
}

/// Paging through a timeline.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct TimelineQuery {
    /// Only entries after this journal id.
    #[serde(default)]
    #[param(value_type = u64)]
    after: JournalId,
    /// At most so many; 1,000, if left out.
    limit: Option<usize>,
}

/// A node's timeline
///
/// Everything that happened to one node, in the order of the journal. A token that is limited to
/// paths sees the entries at those paths.
#[utoipa::path(get, path = "/filestore/nodes/{id}/timeline", tag = "filestore", operation_id = "getTimeline",
    params(("id" = i64, Path, description = "The node"), TimelineQuery, PageQuery, FormatQuery),
    responses((status = 200, description = "The entries", content(
        (RowsAnswer = "application/json"), (String = "text/csv"), (String = "application/x-ndjson"),
        (Vec<u8> = "application/vnd.apache.arrow.stream")))))]
pub(super) async fn timeline(
    State(shared): State<Shared>,
    caller: Caller,
    Path(id): Path<i64>,
    Query(query): Query<TimelineQuery>,
    Query(page): Query<PageQuery>,
    Query(format): Query<FormatQuery>,
    headers: HeaderMap,
) -> httpkit::Result<Response> {
    let question = questions::timeline(id, &Sight::of(&caller), query.after, query.limit, &page);
    rows(&shared, &headers, &format, question, "rows").await
}

/// What there was.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AsOfAnswer {
    /// The nodes by path.
    nodes: Vec<Map<String, Value>>,
    /// The time asked for.
    #[schema(value_type = String, format = DateTime)]
    at: Time,
    /// Of all nodes, not only those in this answer.
    size_bytes: i64,
    /// As above.
    files: i64,
    /// As above, without the mount's root.
    directories: i64,
    /// The `cursor` of the next page; null on the last one.
    next_cursor: Option<String>,
    truncated: bool,
    warnings: Vec<String>,
}

/// The tree at a time
///
/// What there was under a prefix at a time, as far as it had been observed by then.
#[utoipa::path(get, path = "/filestore/as-of", tag = "filestore", operation_id = "getTreeAsOf",
    params(ScopeQuery, AsOfQuery, PageQuery, FormatQuery),
    responses((status = 200, description = "The nodes and what they sum up to", content(
        (AsOfAnswer = "application/json"), (String = "text/csv"), (String = "application/x-ndjson"),
        (Vec<u8> = "application/vnd.apache.arrow.stream")))))]
pub(super) async fn as_of(
    State(shared): State<Shared>,
    Scope(scope): Scope,
    Query(query): Query<AsOfQuery>,
    Query(page): Query<PageQuery>,
    Query(format): Query<FormatQuery>,
    headers: HeaderMap,
) -> httpkit::Result<Response> {
    let format = negotiate(&headers, format.format.as_deref())?;
    let question = questions::as_of(&query, &scope, &page)?;
    let tree = shared
        .reads
        .read(shared.options.sql_timeout, move |connection| {
            question.read(connection, RESULT_MAX_BYTES)
        });
    let tree = tree.await?;
    let mut envelope = Map::new();
    envelope.insert("at".to_owned(), Value::String(query.at.to_string()));
    for (name, value) in ["sizeBytes", "files", "directories"]
        .into_iter()
        .zip(tree.totals)
    {
        envelope.insert(name.to_owned(), whole(value));
    }
    let cursor = AsOf::next_cursor(&tree.nodes)?;
    envelope.insert("nextCursor".to_owned(), cursor.clone().into());
    let response = answer(&tree.nodes, format, "nodes", envelope)?;
    Ok(with_next_cursor(response, cursor.as_deref()))
}

/// How much of an answer.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LimitQuery {
    /// At most so many; as many as there can be in one answer, if left out.
    limit: Option<usize>,
}

/// Reconciliation by day
///
/// Drift, outcomes and how long the jobs took.
#[utoipa::path(get, path = "/filestore/reconciliation", tag = "filestore", operation_id = "getReconciliation",
    params(ScopeQuery, LimitQuery, PageQuery, FormatQuery),
    responses((status = 200, description = "The days on which there was any", content(
        (RowsAnswer = "application/json"), (String = "text/csv"), (String = "application/x-ndjson"),
        (Vec<u8> = "application/vnd.apache.arrow.stream")))))]
pub(super) async fn reconciliation(
    State(shared): State<Shared>,
    Scope(scope): Scope,
    Query(query): Query<LimitQuery>,
    Query(page): Query<PageQuery>,
    Query(format): Query<FormatQuery>,
    headers: HeaderMap,
) -> httpkit::Result<Response> {
    rows(
        &shared,
        &headers,
        &format,
        questions::reconciliation(&scope, query.limit, &page),
        "rows",
    )
    .await
}

/// Which nodes.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct NodesQuery {
    /// Only nodes with ids above this one.
    after: Option<i64>,
    /// At most so many; all, if left out.
    limit: Option<usize>,
}

/// The nodes as this book has them
///
/// One line a node that is not deleted, in the order of ids; `sizeBytes` is the sum of its deltas.
/// The headers tell the journal id, digest and epoch that all lines reflect.
#[utoipa::path(get, path = "/filestore/nodes", tag = "filestore", operation_id = "listNodes", params(NodesQuery),
    responses((status = 200, description = "The nodes", body = String, content_type = "application/x-ndjson")))]
pub(super) async fn nodes(
    State(shared): State<Shared>,
    caller: Caller,
    Query(query): Query<NodesQuery>,
) -> httpkit::Result<Response> {
    let after = query.after.unwrap_or(i64::MIN);
    let head = questions::stream_nodes(shared, after, query.limit, Sight::of(&caller)).await?;
    let lines = tokio_stream::wrappers::ReceiverStream::new(head.lines);
    let mut response = httpkit::ndjson(lines);
    let checkpoint = head.checkpoint;
    let id = checkpoint.map_or(JournalId::ZERO, |checkpoint| checkpoint.journal_id);
    let mut header = |name: HeaderName, value: String| {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(name, value);
        }
    };
    header(JOURNAL_ID, id.to_string());
    if let Some(checkpoint) = checkpoint {
        header(DIGEST, checkpoint.digest.to_string());
        header(EPOCH, checkpoint.epoch.to_string());
    }
    Ok(response)
}
