//! `/filestore/rebuild` and `/filestore/replay`

use super::ConsumerView;
use crate::rebuild::{RebuildError, RebuildRequest, RebuildStatus};
use axum::Extension;
use axum::http::StatusCode;
use httpkit::{Code, Json, Problem};
use journal::JournalId;
use serde::Deserialize;

/// `POST /filestore/rebuild`
#[derive(Clone, Copy, Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct RebuildBody {
    /// Go on although entries cannot be had again from anywhere: the journal is trimmed, and this
    /// book's own rows of them are missing or of another history.
    accept_loss: bool,
}

/// `POST /filestore/replay`
#[derive(Clone, Copy, Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReplayBody {
    /// Read the journal again after this entry; what the book says of entries up to it stays.
    from: u64,
}

/// Rebuild this book from the journal
///
/// A new book is made beside this one, which everyone goes on reading, and takes its place in one
/// transaction when it has reached the journal's head. What people wrote stays. `rebuild` of
/// `GET /filestore/health` tells how far it is. It is the way out when the consumer has halted.
#[utoipa::path(post, path = "/filestore/rebuild", tag = "filestore sync",
    operation_id = "startRebuild", security(("bearer" = ["admin"])),
    request_body = RebuildBody,
    responses((status = 202, body = RebuildStatus),
        (status = 409, description = "One runs already, or it would lose what nobody can bring back")))]
pub(super) async fn start(
    Extension(view): Extension<ConsumerView>,
    Json(body): Json<RebuildBody>,
) -> httpkit::Result<(StatusCode, Json<RebuildStatus>)> {
    begin(
        &view,
        RebuildRequest {
            from: None,
            accepts_loss: body.accept_loss,
        },
    )
    .await
}

/// Read the journal again after an entry
///
/// What the book says of entries up to `from` stays, what it says of later ones is made anew, by
/// the same way as a rebuild: beside the book, and then in one transaction.
#[utoipa::path(post, path = "/filestore/replay", tag = "filestore sync",
    operation_id = "replayJournal", security(("bearer" = ["admin"])),
    request_body = ReplayBody,
    responses((status = 202, body = RebuildStatus),
        (status = 409, description = "A rebuild runs, or the journal cannot be replayed from there")))]
pub(super) async fn replay(
    Extension(view): Extension<ConsumerView>,
    Json(body): Json<ReplayBody>,
) -> httpkit::Result<(StatusCode, Json<RebuildStatus>)> {
    begin(
        &view,
        RebuildRequest {
            from: Some(JournalId::new(body.from)),
            accepts_loss: false,
        },
    )
    .await
}

async fn begin(
    view: &ConsumerView,
    request: RebuildRequest,
) -> httpkit::Result<(StatusCode, Json<RebuildStatus>)> {
    let status = view.consumer()?.rebuild(request).await?;
    Ok((StatusCode::ACCEPTED, Json(status)))
}

/// End a rebuild or replay that runs
///
/// The book is as it was before.
#[utoipa::path(delete, path = "/filestore/rebuild", tag = "filestore sync",
    operation_id = "cancelRebuild", security(("bearer" = ["admin"])),
    responses((status = 204, description = "It has ended"),
        (status = 404, description = "None runs")))]
pub(super) async fn cancel(
    Extension(view): Extension<ConsumerView>,
) -> httpkit::Result<StatusCode> {
    if view.consumer()?.cancel_rebuild().await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Problem::not_found("no rebuild of this book runs"))
}

impl From<RebuildError> for Problem {
    fn from(error: RebuildError) -> Self {
        let detail = error.to_string();
        match error {
            RebuildError::Running => Self::conflict(Code::RebuildRunning, detail),
            RebuildError::WouldLose(_) => Self::conflict(Code::RebuildWouldLose, detail),
            RebuildError::NotReplayable(_) => Self::conflict(Code::NotReplayable, detail),
            RebuildError::Unavailable(_) => Self::unavailable(detail),
        }
    }
}
