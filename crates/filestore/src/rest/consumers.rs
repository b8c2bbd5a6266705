//! `/v1/journal/consumers` and `/v1/journal/trim`

use super::{Data, State, data, problem};
use crate::JournalConsumer;
use ::journal::{JournalId, Time};
use axum::http::StatusCode;
use httpkit::{Json, Path, Problem};
use serde::{Deserialize, Serialize};

/// A consumer of the journal.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = JournalConsumer)]
pub(super) struct View {
    /// What it calls itself.
    name: String,
    /// Whether it runs in filestore's own process.
    local: bool,
    /// It needs the entries after this one.
    #[schema(value_type = u64)]
    after: JournalId,
    /// How many entries that are.
    lag_entries: u64,
    /// Whether retention keeps the journal for it. One that is too far behind starts again from a
    /// snapshot.
    held: bool,
    /// When it first read; null for one of this process.
    #[schema(value_type = Option<String>, format = DateTime)]
    first_seen_at: Option<Time>,
    /// When it last read; null for one of this process.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_seen_at: Option<Time>,
}

/// Where the journal is trimmed to.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Trimmed {
    /// The last entry removed.
    #[schema(value_type = u64)]
    trimmed: JournalId,
    /// The consumers for which entries up to `upTo` were kept.
    kept_for: Vec<String>,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TrimBody {
    /// The last entry to remove.
    up_to: u64,
}

/// The consumers that retention keeps the journal for
///
/// Those of this process, and every one elsewhere that has read it lately under a name.
#[utoipa::path(get, path = "/v1/journal/consumers", operation_id = "listJournalConsumers",
    tag = "journal", responses((status = 200, body = Data<Vec<View>>)))]
pub(super) async fn list(state: State) -> Result<Json<Data<Vec<View>>>, Problem> {
    let consumers = state
        .read_blocking(|filestore| {
            let head = filestore.catalogue.head().id;
            let consumers = filestore.consumers.known(filestore.consumers.hold());
            Ok(consumers
                .into_iter()
                .map(|consumer| view(consumer, head))
                .collect::<Vec<_>>())
        })
        .await?;
    Ok(data(consumers))
}

/// Forget a consumer elsewhere, so that the journal is not kept for it
///
/// If it reads again it is known again; if what it needs is gone by then, it starts from a
/// snapshot.
#[utoipa::path(delete, path = "/v1/journal/consumers/{name}",
    operation_id = "forgetJournalConsumer", tag = "journal",
    params(("name" = String, Path, description = "What it calls itself")),
    responses((status = 204, description = "Forgotten"), (status = 404)),
    security(("bearer" = ["filestore:admin"])))]
pub(super) async fn forget(state: State, Path(name): Path<String>) -> Result<StatusCode, Problem> {
    let wanted = name.clone();
    let was_known = state
        .write(move |filestore| {
            filestore
                .forget_journal_consumer(&wanted)
                .map_err(problem::of_catalogue)
        })
        .await?;
    if was_known {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Problem::not_found(format!(
        "no consumer elsewhere is known as {name:?}"
    )))
}

/// Remove the journal's entries up to one, but none that a consumer still needs
#[utoipa::path(post, path = "/v1/journal/trim", operation_id = "trimJournal", tag = "journal",
    request_body = TrimBody, responses((status = 200, body = Data<Trimmed>)),
    security(("bearer" = ["filestore:admin"])))]
pub(super) async fn trim(
    state: State,
    Json(body): Json<TrimBody>,
) -> Result<Json<Data<Trimmed>>, Problem> {
    let up_to = JournalId::new(body.up_to);
    let trimmed = state
        .write(move |filestore| {
            let consumers = filestore.consumers.known(filestore.consumers.hold());
            let kept_for = consumers
                .into_iter()
                .filter(|consumer| consumer.is_held && consumer.after < up_to)
                .map(|consumer| consumer.name)
                .collect();
            let hold = filestore.consumers.hold();
            let trimmed = filestore
                .trim_applied(up_to, hold)
                .map_err(problem::of_catalogue)?;
            Ok(Trimmed { trimmed, kept_for })
        })
        .await?;
    Ok(data(trimmed))
}

fn view(consumer: JournalConsumer, head: JournalId) -> View {
    View {
        lag_entries: head.entries_since(consumer.after),
        name: consumer.name,
        local: consumer.is_local,
        after: consumer.after,
        held: consumer.is_held,
        first_seen_at: consumer.first_seen_at,
        last_seen_at: consumer.last_seen_at,
    }
}

/// A read under a name that cannot be taken is refused before anything is read.
pub(super) fn see(
    filestore: &crate::Filestore,
    name: &str,
    after: JournalId,
) -> Result<(), Problem> {
    filestore
        .consumers
        .see(name, after)
        .map_err(|error| problem::of_consumer(&error))
}
