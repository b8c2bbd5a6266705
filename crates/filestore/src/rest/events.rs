//! `GET /v1/events/stream`
//!
//! The stream reads the journal and is woken by its head, so it neither misses an entry nor holds
//! entries back for a slow client: it goes on where the client has read to, and holds one bounded
//! page of the journal until then. A client that comes back with `Last-Event-ID` goes on after that
//! entry. There are so many streams at once; the next client is asked to come back later.

use super::{Rest, State, params, problem};
use ::journal::{Entry, JournalId};
use ::node::NodePath;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::{Stream, StreamExt, stream};
use httpkit::{Code, Problem, Query};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

/// Entries read at once.
const PAGE: usize = 500;

/// The data of the entries read at once: what a client that does not read makes us hold.
const PAGE_BYTES: usize = 256 * 1024;

/// How often a quiet stream shows that it lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct Params {
    /// Only events of this mount.
    backend_mount_id: Option<i64>,
    /// Only events of this path and what is below it, before or after a move.
    path_prefix: Option<String>,
    /// Only these types; repeat the parameter for several.
    #[serde(default)]
    events: Vec<String>,
    /// ＋ Go on after this journal id, as `Last-Event-ID` does.
    after: Option<u64>,
}

#[derive(Debug)]
struct Filter {
    mount_id: Option<i64>,
    prefix: Option<NodePath>,
    types: Vec<String>,
}

/// What a filter looks at: every event about a node or a path has these.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subject {
    #[serde(default)]
    backend_mount_id: Option<i64>,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    previous_path: Option<String>,
}

/// What happens, as it happens: one server-sent event an entry, its id the journal id.
#[utoipa::path(
    get,
    path = "/v1/events/stream",
    operation_id = "streamEvents",
    tag = "journal",
    params(Params, ("Last-Event-ID" = Option<u64>, Header,
        description = "Go on after this journal id; without it, with the next entry")),
    responses(
        (status = 200, content_type = "text/event-stream"),
        (status = 409, description = "The id lies past the journal's end: it is of another one"),
        (status = 410, description = "The journal no longer holds what follows that id"),
        (status = 503, description = "Too many streams are open")
    )
)]
pub(super) async fn stream(
    state: State,
    Query(asked): Query<Params>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    let filter = Filter {
        mount_id: asked.backend_mount_id,
        prefix: asked
            .path_prefix
            .as_deref()
            .map(|prefix| params::path("/pathPrefix", prefix))
            .transpose()?,
        types: asked
            .events
            .iter()
            .flat_map(|types| types.split(','))
            .map(|word| word.trim().to_owned())
            .filter(|word| !word.is_empty())
            .collect(),
    };
    let head = state.catalogue.head().id;
    let after = last_event_id(&headers)?
        .or(asked.after)
        .map_or(head, JournalId::new);
    if after > head {
        let detail = format!("the journal ends at {head}, so entry {after} is of another one");
        return Err(Problem::conflict(Code::JournalMismatch, detail));
    }
    let slot = Arc::clone(&state.streams)
        .try_acquire_owned()
        .map_err(|_| Problem::unavailable("as many event streams are open as there may be"))?;
    // What is trimmed already is told as such, and not by a stream that breaks off.
    let first = page(&state, after).await?;
    let events = events(Arc::clone(&state), first, after).filter_map(move |entry| {
        let _held_by_the_stream = &slot;
        std::future::ready(frame(&filter, entry).transpose())
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE).text("keep-alive")))
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    match httpkit::header(headers, "last-event-id")? {
        None | Some("") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| {
            Problem::bad_request(Code::InvalidRequest, "Last-Event-ID: it is no journal id")
        }),
    }
}

async fn page(rest: &Rest, after: JournalId) -> Result<Vec<Entry>, Problem> {
    let page = rest.read_blocking(move |filestore| {
        let page = filestore.catalogue.few_entries(after, PAGE, PAGE_BYTES);
        page.map_err(problem::of_read)
    });
    page.await
}

/// The entries after `after`, for ever; `first` are the first of them.
fn events(
    rest: Arc<Rest>,
    first: Vec<Entry>,
    after: JournalId,
) -> impl Stream<Item = Result<Entry, Problem>> + Send {
    let later = stream::unfold((rest, first.last().map_or(after, |entry| entry.id)), next);
    stream::iter(first.into_iter().map(Ok)).chain(later.flat_map(|page| {
        let (entries, error) = match page {
            Ok(entries) => (entries, None),
            Err(problem) => (Vec::new(), Some(Err(problem))),
        };
        stream::iter(entries.into_iter().map(Ok).chain(error))
    }))
}

/// Who follows the journal, and how far.
type Following = (Arc<Rest>, JournalId);

/// The next page, once there is one; `None` when the filestore closes.
async fn next((rest, after): Following) -> Option<(Result<Vec<Entry>, Problem>, Following)> {
    let mut head = rest.head_watch();
    tokio::select! {
        arrived = head.wait_for(|head| head.id > after) => arrived.ok().map(|_| ())?,
        () = rest.closing.cancelled() => return None,
    }
    let page = page(&rest, after).await;
    let after = match &page {
        Ok(entries) => entries.last().map_or(after, |entry| entry.id),
        // The stream ends with the error, since nothing comes after the last id.
        Err(_) => JournalId::MAX,
    };
    Some((page, (rest, after)))
}

/// The entry's frame, if it is asked for.
fn frame(filter: &Filter, entry: Result<Entry, Problem>) -> Result<Option<Event>, axum::Error> {
    let entry = entry.map_err(axum::Error::new)?;
    if !filter.wants(&entry) {
        return Ok(None);
    }
    let event_type = entry.event_type.as_str();
    let data = format!(
        "{{\"type\":{},\"data\":{}}}",
        serde_json::Value::from(event_type),
        entry.data.get()
    );
    Ok(Some(
        Event::default()
            .id(entry.id.to_string())
            .event(event_type)
            .data(data),
    ))
}

impl Filter {
    fn wants(&self, entry: &Entry) -> bool {
        if !self.types.is_empty()
            && !self
                .types
                .iter()
                .any(|word| word == entry.event_type.as_str())
        {
            return false;
        }
        if self.mount_id.is_none() && self.prefix.is_none() {
            return true;
        }
        let Ok(subject) = serde_json::from_str::<Subject>(entry.data.get()) else {
            return false;
        };
        let is_below = |prefix: &NodePath| {
            let paths = [&subject.path, &subject.previous_path];
            paths.into_iter().flatten().any(|path| {
                prefix.is_root()
                    || path
                        .strip_prefix(prefix.as_str())
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
        };
        self.mount_id
            .is_none_or(|mount| subject.backend_mount_id == Some(mount))
            && self.prefix.as_ref().is_none_or(is_below)
    }
}
