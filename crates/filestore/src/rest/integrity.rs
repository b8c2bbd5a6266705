//! `GET /v1/integrity`

use super::{Data, State, data, problem};
use httpkit::{Integrity, Json, Problem};

/// Whether the catalogue still holds what was written to it
///
/// Reads everything: pages and indexes, the journal's chain of digests, every node beside its last
/// entry, the totals of directories.
#[utoipa::path(get, path = "/v1/integrity", operation_id = "checkIntegrity", tag = "journal",
    responses((status = 200, body = Data<Integrity>)))]
pub(super) async fn check(state: State) -> Result<Json<Data<Integrity>>, Problem> {
    let integrity = state
        .read_blocking(|filestore| filestore.check_integrity().map_err(problem::of_catalogue))
        .await?;
    if !integrity.ok {
        tracing::error!(findings = ?integrity.findings, "the catalogue is damaged");
    }
    Ok(data(integrity))
}
