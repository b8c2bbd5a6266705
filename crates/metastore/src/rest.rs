//! The REST API: thin handlers over `record`, `search`, `rules` and `node`.

mod body;
mod bulk;
mod digest;
mod history;
mod namespaces;
mod nodes;
mod records;
pub(crate) mod rules;
mod schemas;
mod search;
mod stream;

use crate::Metastore;
use crate::db::{Fault, fault};
use crate::record::RecordError;
use crate::search::Refusal;
use axum::http::StatusCode;
use httpkit::{Code, Problem};
use serde::Serialize;
use serde_json::json;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn router(metastore: &Metastore) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(records::create))
        .routes(routes!(
            records::get,
            records::put,
            records::patch,
            records::delete
        ))
        .routes(routes!(records::purge))
        .routes(routes!(records::restore))
        .routes(routes!(history::audit))
        .routes(routes!(history::diff))
        .routes(routes!(records::by_path))
        .routes(routes!(search::search))
        .routes(routes!(bulk::bulk))
        .routes(routes!(namespaces::list))
        .routes(routes!(rules::get, rules::put))
        .routes(routes!(rules::preview))
        .routes(routes!(schemas::get))
        .routes(routes!(schemas::list, schemas::register))
        .routes(routes!(nodes::list))
        .routes(routes!(digest::get))
        .routes(routes!(digest::check))
        .routes(routes!(stream::watch))
        .with_state(metastore.clone())
}

/// Which part of a list an answer is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct Pagination {
    /// All there are.
    total: i64,
    /// At most as many are in one answer.
    limit: u32,
    /// As many were left out before the first.
    offset: u64,
    /// The offset of the next page; left out on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_offset: Option<u64>,
}

impl Pagination {
    fn new(total: i64, limit: u32, offset: u64) -> Self {
        let next = offset.saturating_add(u64::from(limit));
        let next_offset = (next < total.unsigned_abs()).then_some(next);
        Self {
            total,
            limit,
            offset,
            next_offset,
        }
    }
}

/// A page's limit within its bounds, or the default.
fn limit(given: Option<u32>, default: u32, most: u32) -> Result<u32, Problem> {
    match given {
        None => Ok(default),
        Some(limit) if (1..=most).contains(&limit) => Ok(limit),
        Some(_) => Err(Problem::invalid("/limit", format!("1 to {most}"))),
    }
}

impl From<RecordError> for Problem {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::NotFound { .. } => Self::not_found(error.to_string()),
            RecordError::Version { expected, current } => {
                Self::conflict(Code::VersionConflict, error.to_string())
                    .with_details(json!({"expectedVersion": expected, "currentVersion": current}))
            }
            RecordError::Condition { current } => Self::new(
                StatusCode::PRECONDITION_FAILED,
                Code::PreconditionFailed,
                error.to_string(),
            )
            .with_details(json!({ "currentVersion": current })),
            RecordError::Deleted(_) | RecordError::SchemaTaken(_) => {
                Self::conflict(Code::Conflict, error.to_string())
            }
            RecordError::Idempotency => {
                Self::conflict(Code::IdempotencyConflict, error.to_string())
            }
            RecordError::Invalid { pointer, detail } => Self::invalid(&pointer, detail),
            RecordError::Faults(ref faults) => {
                let problem = Self::bad_request(Code::InvalidRequest, error.to_string());
                faults.iter().fold(problem, |problem, fault| {
                    problem.with_field(fault.pointer.clone(), fault.detail.clone())
                })
            }
            RecordError::TooLarge { .. } => {
                Self::too_large(error.to_string()).with_field("/metadata", "too large")
            }
            RecordError::Sql(error) => store_problem(&error),
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::invalid(&refusal.pointer, refusal.detail)
    }
}

fn store_problem(error: &rusqlite::Error) -> Problem {
    match fault(error) {
        Fault::Full => Problem::new(
            StatusCode::INSUFFICIENT_STORAGE,
            Code::StorageFull,
            "the disk of the metastore's database is full, or the one of temporary files (TMPDIR); \
             nothing was changed",
        ),
        Fault::Overdue => Problem::new(
            StatusCode::GATEWAY_TIMEOUT,
            Code::Timeout,
            "the read took too long; narrow the filter, for example by a path prefix, a tag or an owner",
        ),
        Fault::Unavailable => {
            tracing::warn!(%error, "the metastore's database is not available");
            Problem::unavailable("the metastore's database is not available now")
        }
        Fault::Damaged | Fault::Refused => Problem::internal(error),
    }
}
