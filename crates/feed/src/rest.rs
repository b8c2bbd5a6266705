//! What every consumer shows over HTTP, once for both services: its health, its dead letters, its
//! rebuilds, and how complete an answer is.

mod rebuild;

use crate::consumer::{ConsumerHandle, DeadLetterError};
use crate::rebuild::RebuildStatus;
use crate::{BusState, ConsumerState, ConsumerStatus, DeadLetter};
use axum::Extension;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use httpkit::{Caller, Code, Cursor, Json, Path, Problem, Query};
use journal::JournalId;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// How long `minJournalId` waits where `waitMs` does not say.
const WAIT_MS_DEFAULT: u64 = 2_000;
/// The longest that it waits.
const WAIT_MS_MAX: u64 = 60_000;

httpkit::words! {
    /// What carries signals.
    BusMode: "inline" | "redis" | "poll";
}

const HIDDEN_ERROR: &str = "there is an error; only a token without limits is told which";

/// What the routes and the layer need to know of the consumer beside them.
#[derive(Clone, Debug)]
pub struct ConsumerView {
    /// The consumer; `None` where the sync is disabled.
    pub consumer: Option<ConsumerHandle>,
    /// Which dead letters a caller may see, where the token is limited.
    pub visible: fn(&Caller, &DeadLetter) -> httpkit::Result<bool>,
    /// Whether the bus is inline.
    pub is_inline: bool,
    /// After how long without progress the consumer is stalled
    /// (`METASTORE_FILESTORE_STALL_THRESHOLD_SECONDS`).
    pub stall_threshold: Duration,
}

/// `GET /filestore/health`
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// How it is doing.
    pub status: HealthStatus,
    /// Whether the sync is enabled.
    pub enabled: bool,
    /// Whether the bus is live.
    pub connected: bool,
    /// Whether the bus is inline.
    pub inline: bool,
    /// The state of the consumer's loop.
    pub state: Option<ConsumerState>,
    /// After how many seconds without progress it is stalled.
    pub threshold_seconds: f64,
    /// For how many seconds the checkpoint has been below the head.
    pub lag_seconds: f64,
    /// `head − checkpoint`.
    pub lag_entries: u64,
    /// The last entry applied.
    pub last_event: Option<LastEvent>,
    /// What was tried again since the process started.
    pub retries: Retries,
    /// What went wrong last: with the consumer, or else why the bus is not live.
    pub last_error: Option<String>,
    /// The last entry applied.
    pub checkpoint: u64,
    /// The journal's last entry, as last seen.
    pub head: u64,
    /// The chained digest at the checkpoint.
    pub digest: Option<String>,
    /// The journal it follows.
    pub epoch: Option<String>,
    /// Parked entries.
    pub dead_letters: u64,
    /// Entries applied since the process started.
    pub applied: u64,
    /// The bus.
    pub bus: BusHealth,
    /// The rebuild that runs, or the last one since the process started.
    pub rebuild: Option<RebuildStatus>,
}

/// A consumer's health in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// The sync is switched off.
    Disabled,
    /// It follows the journal.
    Ok,
    /// No progress for longer than the threshold.
    Stalled,
    /// It stopped and needs an operator.
    Error,
}

/// The last entry applied.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastEvent {
    /// Its type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// When its fact was observed.
    #[schema(format = DateTime)]
    pub observed_at: Option<String>,
    /// When it was applied.
    #[schema(format = DateTime)]
    pub received_at: Option<String>,
}

/// What was tried again since the process started.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Retries {
    /// Connections of the bus.
    pub connect: u64,
    /// Reads and batches.
    pub processing: u64,
    /// Both.
    pub total: u64,
}

/// How the bus is doing.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BusHealth {
    /// `inline`, `redis` or `poll`.
    #[schema(value_type = BusMode)]
    pub mode: &'static str,
    /// As its heartbeat shows.
    pub state: BusState,
    /// When a heartbeat last came back.
    #[schema(format = DateTime)]
    pub last_heartbeat_at: Option<String>,
    /// Why it is not live.
    pub last_error: Option<String>,
}

impl ConsumerView {
    fn consumer(&self) -> Result<&ConsumerHandle, Problem> {
        self.consumer.as_ref().ok_or_else(|| {
            Problem::not_found(
                "the filestore sync of this service is disabled by its configuration",
            )
        })
    }

    /// Whether the book can be read and is as new as the journal was at the start, for `/readyz`.
    ///
    /// # Errors
    /// The consumer has ended, or has not caught up since the start.
    pub fn ready(&self) -> Result<(), String> {
        const WHY: &str = "GET /filestore/health says why";
        let Some(consumer) = &self.consumer else {
            return Ok(());
        };
        let status = consumer.status();
        match status.state {
            ConsumerState::Halted => Err(format!("the consumer has halted; {WHY}")),
            ConsumerState::Stopped => Err("the consumer has stopped".to_owned()),
            _ if status.current_at.is_none() => Err(format!(
                "the book has not caught up with the journal since the start: it is at entry {} \
                 of {}; {WHY}",
                status.checkpoint, status.head
            )),
            _ => Ok(()),
        }
    }

    /// The consumer's health now.
    #[must_use]
    pub fn health(&self) -> Health {
        let threshold_seconds = self.stall_threshold.as_secs_f64();
        let Some(consumer) = &self.consumer else {
            return disabled(self.is_inline, threshold_seconds);
        };
        let s = consumer.status();
        let status = match s.state {
            ConsumerState::Halted | ConsumerState::Stopped => HealthStatus::Error,
            _ if consumer.stood_still_for() > self.stall_threshold => HealthStatus::Stalled,
            _ => HealthStatus::Ok,
        };
        Health {
            status,
            enabled: true,
            connected: s.bus == BusState::Live,
            inline: self.is_inline,
            state: Some(s.state),
            threshold_seconds,
            lag_seconds: s.lag_seconds,
            lag_entries: s.lag_entries,
            last_event: s.last_event_type.as_ref().map(|event_type| LastEvent {
                event_type: event_type.clone(),
                observed_at: s.last_event_observed_at.map(|time| time.to_string()),
                received_at: s.last_event_received_at.map(|time| time.to_string()),
            }),
            retries: Retries {
                connect: s.connect_retries,
                processing: s.processing_retries,
                total: s.connect_retries.saturating_add(s.processing_retries),
            },
            last_error: s.last_error.or_else(|| s.bus_error.clone()),
            checkpoint: s.checkpoint.get(),
            head: s.head.get(),
            digest: s.digest.map(|digest| digest.to_string()),
            epoch: s.epoch.map(|epoch| epoch.to_string()),
            dead_letters: s.dead_letters,
            applied: s.applied,
            bus: BusHealth {
                mode: s.bus_mode,
                state: s.bus,
                last_heartbeat_at: s.last_heartbeat_at.map(|time| time.to_string()),
                last_error: s.bus_error,
            },
            rebuild: s.rebuild,
        }
    }
}

fn disabled(inline: bool, threshold_seconds: f64) -> Health {
    Health {
        status: HealthStatus::Disabled,
        enabled: false,
        connected: false,
        inline,
        state: None,
        threshold_seconds,
        lag_seconds: 0.0,
        lag_entries: 0,
        last_event: None,
        retries: Retries {
            connect: 0,
            processing: 0,
            total: 0,
        },
        last_error: None,
        checkpoint: 0,
        head: 0,
        digest: None,
        epoch: None,
        dead_letters: 0,
        applied: 0,
        bus: BusHealth {
            mode: "inline",
            state: BusState::Lost,
            last_heartbeat_at: None,
            last_error: None,
        },
        rebuild: None,
    }
}

/// The routes `/filestore/health` and `/filestore/dead-letters…`.
pub fn router(view: ConsumerView) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(health))
        .routes(routes!(dead_letters))
        .routes(routes!(retry_dead_letter))
        .routes(routes!(discard_dead_letter))
        .routes(routes!(rebuild::start, rebuild::cancel))
        .routes(routes!(rebuild::replay))
        .layer(Extension(view))
}

/// Whether this book follows the journal
///
/// 503 while it is stalled or has stopped.
#[utoipa::path(get, path = "/filestore/health", tag = "filestore sync",
    operation_id = "getSyncHealth",
    responses((status = 200, body = Health), (status = 503, body = Health)))]
async fn health(Extension(view): Extension<ConsumerView>, caller: Caller) -> Response {
    if let Some(consumer) = &view.consumer {
        consumer.look_at_head().await;
    }
    let mut health = view.health();
    if caller.is_limited() {
        // An error may name a path.
        health.last_error = health.last_error.map(|_| HIDDEN_ERROR.to_owned());
    }
    let status = match health.status {
        HealthStatus::Ok | HealthStatus::Disabled => StatusCode::OK,
        HealthStatus::Stalled | HealthStatus::Error => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(health)).into_response()
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
struct ListQuery {
    /// List dead letters with journal ids after this one.
    after: Option<u64>,
    /// The `nextCursor` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor>,
    /// At most this many, 100 unless told, at most 1,000.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

impl ListQuery {
    /// The journal id that the page begins after.
    fn after(&self) -> httpkit::Result<JournalId> {
        let after = match (&self.cursor, self.after) {
            (Some(_), Some(_)) => {
                let detail = "a page begins at a cursor or after an id: give one of them";
                return Err(Problem::invalid("/cursor", detail));
            }
            (Some(cursor), None) => cursor.place()?,
            (None, after) => after.unwrap_or_default(),
        };
        Ok(JournalId::new(after))
    }
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct DeadLetters {
    /// By journal id.
    dead_letters: Vec<DeadLetter>,
    /// The `cursor` of the next page; null on the last one.
    #[schema(value_type = Option<String>)]
    next_cursor: Option<Cursor>,
    /// The `after` of the next page; null on the last one.
    next_after: Option<u64>,
}

/// List parked entries
#[utoipa::path(get, path = "/filestore/dead-letters", tag = "filestore sync",
    operation_id = "listDeadLetters", params(ListQuery),
    responses((status = 200, body = DeadLetters)))]
async fn dead_letters(
    Extension(view): Extension<ConsumerView>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> httpkit::Result<Json<DeadLetters>> {
    let limit = query.limit.unwrap_or(100).clamp(1, 1_000);
    let consumer = view.consumer()?;
    let mut after = query.after()?;
    let mut dead_letters = Vec::new();
    // One more tells whether there is another page. Those that the caller may not see are passed
    // over.
    let wanted = limit + 1;
    while dead_letters.len() < wanted {
        let letters = consumer.dead_letters(after, wanted).await?;
        let is_last = letters.len() < wanted;
        for letter in letters {
            after = letter.journal_id;
            if (view.visible)(&caller, &letter)? {
                dead_letters.push(letter);
            }
        }
        if is_last {
            break;
        }
    }
    let has_more = dead_letters.len() > limit;
    dead_letters.truncate(limit);
    let next_after = dead_letters
        .last()
        .filter(|_| has_more)
        .map(|last| last.journal_id.get());
    Ok(Json(DeadLetters {
        dead_letters,
        next_cursor: next_after.as_ref().map(Cursor::of).transpose()?,
        next_after,
    }))
}

/// Apply a parked entry again
///
/// Newer states of its node are not undone.
#[utoipa::path(post, path = "/filestore/dead-letters/{journalId}/retry", tag = "filestore sync",
    operation_id = "retryDeadLetter", security(("bearer" = ["admin"])),
    params(("journalId" = u64, Path, description = "The entry")),
    responses((status = 204, description = "Applied and no longer parked"), (status = 409), (status = 404)))]
async fn retry_dead_letter(
    Extension(view): Extension<ConsumerView>,
    Path(journal_id): Path<u64>,
) -> httpkit::Result<StatusCode> {
    view.consumer()?.retry(JournalId::new(journal_id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Discard a parked entry for good
#[utoipa::path(delete, path = "/filestore/dead-letters/{journalId}", tag = "filestore sync",
    operation_id = "discardDeadLetter", security(("bearer" = ["admin"])),
    params(("journalId" = u64, Path, description = "The entry")),
    responses((status = 204, description = "Discarded"), (status = 404)))]
async fn discard_dead_letter(
    Extension(view): Extension<ConsumerView>,
    Path(journal_id): Path<u64>,
) -> httpkit::Result<StatusCode> {
    view.consumer()?.discard(JournalId::new(journal_id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<DeadLetterError> for Problem {
    fn from(error: DeadLetterError) -> Self {
        let detail = error.to_string();
        match error {
            DeadLetterError::NotFound(_) => Self::not_found(detail),
            DeadLetterError::StillPoison(..) => Self::conflict(Code::DeadLetterRefused, detail),
            DeadLetterError::Unavailable(_) => Self::unavailable(detail),
        }
    }
}

/// A layer for the reads that reflect the journal: waits for `minJournalId`, and says in headers
/// how complete the answer is. Put it on with
/// `axum::middleware::from_fn(move |request, next| completeness(view.clone(), request, next))`.
///
/// The headers are taken before the answer is made, so the answer reflects at least that much.
pub async fn completeness(view: ConsumerView, request: Request, next: Next) -> Response {
    let Some(consumer) = view.consumer.clone() else {
        return next.run(request).await;
    };
    match wanted(request.uri().query(), request.headers()) {
        Err(problem) => return problem.into_response(),
        Ok(None) => {}
        Ok(Some((journal_id, wait))) => {
            let reached = consumer.wait_for(journal_id, wait).await;
            if reached < journal_id {
                let mut response = Problem::new(
                    StatusCode::GATEWAY_TIMEOUT,
                    Code::JournalNotReached,
                    format!(
                        "entry {journal_id} was not applied within {} ms; reached entry {reached}",
                        wait.as_millis()
                    ),
                )
                .into_response();
                complete(response.headers_mut(), &consumer.status());
                return response;
            }
        }
    }
    let status = consumer.status();
    let mut response = next.run(request).await;
    // A route that read the checkpoint with its data knows better.
    if !response.headers().contains_key(JOURNAL_ID) {
        complete(response.headers_mut(), &status);
    }
    response
}

const JOURNAL_ID: HeaderName = HeaderName::from_static("tidemark-journal-id");

fn complete(headers: &mut HeaderMap, status: &ConsumerStatus) {
    headers.insert(JOURNAL_ID, HeaderValue::from(status.checkpoint.get()));
    headers.insert(
        "tidemark-lag-entries",
        HeaderValue::from(status.lag_entries),
    );
    headers.insert(
        "tidemark-dead-letters",
        HeaderValue::from(status.dead_letters),
    );
    if let Ok(seconds) = HeaderValue::from_str(&format!("{:.3}", status.lag_seconds)) {
        headers.insert("tidemark-lag-seconds", seconds);
    }
}

/// The journal id that the caller wants to see, and how long to wait for it.
fn wanted(
    query: Option<&str>,
    headers: &HeaderMap,
) -> Result<Option<(JournalId, Duration)>, Problem> {
    let mut journal_id = httpkit::header(headers, "tidemark-min-journal-id")?
        .map(|value| number("Tidemark-Min-Journal-Id", value))
        .transpose()?;
    let mut wait_ms = WAIT_MS_DEFAULT;
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        match &*name {
            "minJournalId" => journal_id = Some(number("minJournalId", &value)?),
            "waitMs" => wait_ms = number("waitMs", &value)?,
            _ => {}
        }
    }
    let wait = Duration::from_millis(wait_ms.min(WAIT_MS_MAX));
    Ok(journal_id.map(|id| (JournalId::new(id), wait)))
}

fn number(name: &str, text: &str) -> Result<u64, Problem> {
    text.parse().map_err(|_| {
        Problem::invalid(
            &format!("/{name}"),
            format!("{name} must be a whole number, not '{text}'"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wanted_entry_comes_from_the_query_or_the_header() {
        let mut headers = HeaderMap::new();
        assert_eq!(wanted(None, &headers).unwrap(), None);
        let ten = JournalId::new(10);
        assert_eq!(
            wanted(Some("a=b&minJournalId=10&waitMs=5"), &headers).unwrap(),
            Some((ten, Duration::from_millis(5)))
        );
        headers.insert("tidemark-min-journal-id", HeaderValue::from_static("10"));
        assert_eq!(
            wanted(None, &headers).unwrap(),
            Some((ten, Duration::from_secs(2)))
        );
        assert_eq!(
            wanted(Some("waitMs=99999999"), &headers).unwrap(),
            Some((ten, Duration::from_secs(60)))
        );
        let problem = wanted(Some("minJournalId=x"), &headers).unwrap_err();
        assert!(
            problem.detail().contains("minJournalId"),
            "{}",
            problem.detail()
        );
    }
}
