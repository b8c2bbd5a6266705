//! `GET /filestore/digest` and `/filestore/integrity`

use crate::Metastore;
use crate::digest::{self, BookDigest};
use crate::integrity;
use axum::extract::State;
use httpkit::{Caller, Integrity, Json, Problem};

/// A digest of this book's contents
///
/// The same contents have the same digest, so a rebuilt book has the one that it had before. It
/// reads the whole book.
#[utoipa::path(get, path = "/filestore/digest", tag = "filestore", operation_id = "digestBook",
    responses((status = 200, body = BookDigest)))]
pub(super) async fn get(
    State(metastore): State<Metastore>,
    caller: Caller,
) -> Result<Json<BookDigest>, Problem> {
    caller.require_unlimited()?;
    whole(&metastore, digest::of).await
}

/// Whether this book's file still holds what was written to it
///
/// Reads everything and compares what is said twice: indexes with tables, records with their audit,
/// nodes with their records. What the sync wrote is compared with filestore by `tidemark verify`.
#[utoipa::path(get, path = "/filestore/integrity", tag = "filestore",
    operation_id = "checkIntegrity", responses((status = 200, body = Integrity)))]
pub(super) async fn check(
    State(metastore): State<Metastore>,
    caller: Caller,
) -> Result<Json<Integrity>, Problem> {
    caller.require_unlimited()?;
    let checked = whole(&metastore, integrity::check).await?;
    if !checked.0.ok {
        tracing::error!(findings = ?checked.0.findings, "the book is damaged");
    }
    Ok(checked)
}

/// Reads the whole book on a thread that may block; few at once.
async fn whole<T: Send + 'static>(
    metastore: &Metastore,
    read: fn(&rusqlite::Connection) -> rusqlite::Result<T>,
) -> Result<Json<T>, Problem> {
    let permit = std::sync::Arc::clone(&metastore.0.node_streams)
        .try_acquire_owned()
        .map_err(|_| Problem::too_many("as many reads of the whole book run as may at once"))?;
    let inner = std::sync::Arc::clone(&metastore.0);
    let outcome = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        inner.open_reader().and_then(|db| read(&db))
    });
    let outcome = outcome.await.map_err(|error| Problem::internal(&error))?;
    outcome
        .map(Json)
        .map_err(|error| super::store_problem(&error))
}
