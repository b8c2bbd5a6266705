//! The REST API: thin handlers over the modules of the same names.

mod admin;
mod answer;
mod datasets;
mod digest;
mod filestore;
mod retention;
mod saved;
mod sql;

use crate::inner::Inner;
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What handlers share.
pub(crate) type Shared = Arc<Inner>;

pub(crate) fn router(shared: Shared) -> OpenApiRouter {
    OpenApiRouter::new()
        .merge(datasets())
        .merge(datasets_under_v1())
        .routes(routes!(sql::schema))
        .routes(routes!(sql::read))
        .routes(routes!(saved::list))
        .routes(routes!(saved::get, saved::put, saved::delete))
        .routes(routes!(filestore::growth))
        .routes(routes!(filestore::churn))
        .routes(routes!(filestore::top))
        .routes(routes!(filestore::usage))
        .routes(routes!(filestore::duplicates))
        .routes(routes!(filestore::timeline))
        .routes(routes!(filestore::as_of))
        .routes(routes!(filestore::reconciliation))
        .routes(routes!(filestore::nodes))
        .routes(routes!(digest::get))
        .routes(routes!(digest::check))
        .layer(axum::middleware::from_fn(refuse_limited))
        .with_state(shared)
}

/// What a token that is limited to paths may ask for. Everything else is refused, so that a route
/// that is added says nothing before somebody has thought of such tokens.
const LIMITED: &[&str] = &[
    "/datasets/{slug}/query",
    "/filestore/as-of",
    "/filestore/churn",
    "/filestore/duplicates",
    "/filestore/growth",
    "/filestore/nodes",
    "/filestore/nodes/{id}/timeline",
    "/filestore/reconciliation",
    "/filestore/top",
    "/filestore/usage",
    "/sql/read",
    "/v1/datasets/{slug}/query",
];

async fn refuse_limited(
    caller: httpkit::Caller,
    path: axum::extract::MatchedPath,
    request: axum::extract::Request,
    next: axum::middleware::Next,
) -> httpkit::Result<axum::response::Response> {
    if !LIMITED.contains(&path.as_str()) {
        crate::sight::Sight::of(&caller).require_all()?;
    }
    Ok(next.run(request).await)
}

/// Datasets, and what people say of them.
fn datasets() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(
            routes!(datasets::ingest).layer(axum::extract::DefaultBodyLimit::max(
                datasets::INGEST_BODY_MAX_BYTES,
            )),
        )
        .routes(routes!(datasets::query))
        .routes(routes!(admin::list, admin::create))
        .routes(routes!(admin::get, admin::patch))
        .routes(routes!(admin::archive))
        .routes(routes!(admin::manifest))
        .routes(routes!(retention::get, retention::put))
}

/// The same under `/v1`, where some clients look for them.
fn datasets_under_v1() -> OpenApiRouter<Shared> {
    let mut router = OpenApiRouter::new().nest("/v1", datasets());
    for path in router.get_openapi_mut().paths.paths.values_mut() {
        let operations = [
            &mut path.get,
            &mut path.post,
            &mut path.put,
            &mut path.patch,
        ];
        for operation in operations.into_iter().flatten() {
            // Ids are unique in a document.
            operation.operation_id = operation.operation_id.take().map(|id| format!("v1_{id}"));
        }
    }
    router
}

use utoipa_axum::router::UtoipaMethodRouterExt as _;
