//! The REST API: thin handlers over the modules of the same names.

mod admin;
mod answer;
mod datasets;
mod digest;
mod filestore;
mod saved;
mod sql;

use crate::timestore::Inner;
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What handlers share.
pub(crate) type Shared = Arc<Inner>;

pub(crate) fn router(shared: Shared) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(
            routes!(datasets::ingest).layer(axum::extract::DefaultBodyLimit::max(
                datasets::INGEST_BODY_MAX_BYTES,
            )),
        )
        .routes(routes!(datasets::query))
        .routes(routes!(sql::schema))
        .routes(routes!(sql::read))
        .routes(routes!(saved::list))
        .routes(routes!(saved::get, saved::put, saved::delete))
        .routes(routes!(admin::list))
        .routes(routes!(admin::get))
        .routes(routes!(admin::get_retention, admin::put_retention))
        .routes(routes!(filestore::growth))
        .routes(routes!(filestore::churn))
        .routes(routes!(filestore::top))
        .routes(routes!(filestore::timeline))
        .routes(routes!(filestore::as_of))
        .routes(routes!(filestore::reconciliation))
        .routes(routes!(filestore::nodes))
        .routes(routes!(digest::get))
        .routes(routes!(digest::check))
        .with_state(shared)
}

use utoipa_axum::router::UtoipaMethodRouterExt as _;
