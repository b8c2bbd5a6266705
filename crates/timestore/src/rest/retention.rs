//! How long a dataset's rows are kept.

use super::Shared;
use crate::catalogue::Dataset;
use crate::retention::{self, Retention, RetentionRequest};
use axum::extract::State;
use httpkit::{Caller, Json, Path};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// A dataset's retention.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RetentionAnswer {
    dataset_id: String,
    dataset_slug: String,
    #[serde(flatten)]
    retention: Retention,
    /// What holds now, with a mode and rules.
    #[schema(value_type = Object)]
    effective_policy: Value,
    /// What holds where nothing is set: all rows are kept.
    #[schema(value_type = Object)]
    default_policy: Value,
}

/// Get a dataset's retention
#[utoipa::path(get, path = "/admin/datasets/{slug}/retention", tag = "datasets", operation_id = "getRetention",
    params(("slug" = String, Path, description = "The dataset's slug, or its id")),
    responses((status = 200, description = "What is kept, and what was dropped so far", body = RetentionAnswer)))]
pub(super) async fn get(
    State(shared): State<Shared>,
    Path(slug): Path<String>,
) -> httpkit::Result<Json<RetentionAnswer>> {
    let (retention, dataset) = shared
        .reads
        .read(shared.options.sql_timeout, move |connection| {
            retention::get(connection, &slug)
        })
        .await?;
    Ok(Json(answer(retention, &dataset)))
}

/// Set a dataset's retention
///
/// Partitions that are beyond it already are dropped at once, others within ten minutes of becoming
/// so. The activity is kept whole: 409.
#[utoipa::path(put, path = "/admin/datasets/{slug}/retention", tag = "datasets", operation_id = "putRetention",
    params(("slug" = String, Path, description = "The dataset's slug, or its id")),
    request_body = RetentionRequest,
    responses((status = 200, description = "What is kept, and what was dropped so far", body = RetentionAnswer)))]
pub(super) async fn put(
    State(shared): State<Shared>,
    Path(slug): Path<String>,
    caller: Caller,
    Json(request): Json<RetentionRequest>,
) -> httpkit::Result<Json<RetentionAnswer>> {
    let now = shared.options.clock.now();
    let (retention, dataset) = shared
        .store
        .write(move |connection| retention::set(connection, &slug, &request, caller.subject, now))
        .await?;
    Ok(Json(answer(retention, &dataset)))
}

fn answer(retention: Retention, dataset: &Dataset) -> RetentionAnswer {
    let rules = json!({
        "maxAgeHours": retention.max_age_hours,
        "maxTotalBytes": retention.max_total_bytes,
    });
    let policy = retention.policy.clone();
    RetentionAnswer {
        dataset_id: dataset.id.to_string(),
        dataset_slug: dataset.slug.clone(),
        effective_policy: policy.unwrap_or_else(|| json!({"mode": "hybrid", "rules": rules})),
        default_policy: json!({"mode": "hybrid", "rules": {}}),
        retention,
    }
}
