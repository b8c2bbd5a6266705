//! `GET /filestore/digest`

use crate::Metastore;
use crate::digest::{self, BookDigest};
use axum::extract::State;
use httpkit::{Json, Problem};

/// A digest of this book's contents
///
/// The same contents have the same digest, so a rebuilt book has the one that it had before. It
/// reads the whole book.
#[utoipa::path(get, path = "/filestore/digest", tag = "filestore", operation_id = "digestBook",
    responses((status = 200, body = BookDigest)))]
pub(super) async fn get(State(metastore): State<Metastore>) -> Result<Json<BookDigest>, Problem> {
    let permit = std::sync::Arc::clone(&metastore.0.node_streams)
        .try_acquire_owned()
        .map_err(|_| Problem::too_many("as many reads of the whole book run as may at once"))?;
    let inner = std::sync::Arc::clone(&metastore.0);
    let read = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        inner.open_reader().and_then(|db| digest::of(&db))
    });
    let outcome = read.await.map_err(|error| Problem::internal(&error))?;
    outcome
        .map(Json)
        .map_err(|error| super::store_problem(&error))
}
