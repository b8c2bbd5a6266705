//! `GET /filestore/digest`

use super::Shared;
use crate::sink::read_checkpoint;
use crate::timestore::DIGEST_LIMIT;
use axum::extract::State;
use httpkit::Json;
use journal::JournalId;
use serde::Serialize;
use utoipa::ToSchema;

/// What a digest of the activity says.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct BookDigest {
    /// The entry that the activity is the state at.
    #[schema(value_type = u64)]
    journal_id: JournalId,
    /// The journal it follows.
    epoch: Option<String>,
    /// The journal's chained digest at that entry.
    digest: Option<String>,
    /// A hash over all rows, whatever their order and whenever they came in.
    content: String,
    /// How many rows that are.
    rows: i64,
}

/// A digest of the activity's contents
///
/// The same rows have the same digest, so an activity that is rebuilt from the same journal has the
/// one that it had before. It reads the whole table.
#[utoipa::path(get, path = "/filestore/digest", tag = "filestore", operation_id = "digestBook",
    responses((status = 200, body = BookDigest)))]
pub(super) async fn get(State(shared): State<Shared>) -> httpkit::Result<Json<BookDigest>> {
    let digest = shared.reads.read(DIGEST_LIMIT, |connection| {
        let checkpoint = read_checkpoint(connection)?;
        let sql = include_str!("../sql/content_digest.sql");
        let content: String = connection.query_row(sql, [], |row| row.get(0))?;
        let rows = connection.query_row("SELECT count(*) FROM tidemark.activity", [], |row| {
            row.get(0)
        })?;
        Ok(BookDigest {
            journal_id: checkpoint.map_or(JournalId::ZERO, |checkpoint| checkpoint.journal_id),
            epoch: checkpoint.map(|checkpoint| checkpoint.epoch.to_string()),
            digest: checkpoint.map(|checkpoint| checkpoint.digest.to_string()),
            content,
            rows,
        })
    });
    Ok(Json(digest.await?))
}
