//! Record changes as they happen.
//!
//! The stream reads the audit and is woken by writes, so it neither misses a change nor holds
//! changes back for a slow client.

use crate::Metastore;
use crate::record::change::{self, Changed};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::{Stream, StreamExt, stream};
use httpkit::{Caller, Code, Problem};
use std::time::Duration;
use tokio::sync::watch;

const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Changes read at once.
const PAGE: u32 = 256;

/// People's writes to records as server-sent events, in the namespaces that the caller may see:
/// from now on, or from where `Last-Event-ID` left off.
#[utoipa::path(get, path = "/stream/records", tag = "records", operation_id = "streamRecords",
    params(("Last-Event-ID" = Option<i64>, Header,
        description = "Go on after this event; without it, with the next write")),
    responses(
        (status = 200, description = "Server-sent events `metastore.record.created`, `updated` \
            and `deleted`", content_type = "text/event-stream", body = String),
        (status = 409, description = "The id lies past the last event: it is of another metastore")))]
pub(super) async fn watch(
    State(metastore): State<Metastore>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Problem>>>, Problem> {
    let woken = metastore.0.writes.subscribe();
    let head = metastore.0.read(|db| Ok(change::head(db)?)).await?;
    let after = last_event_id(&headers)?.unwrap_or(head);
    if after > head {
        let detail = format!("the last event is {head}, so {after} is of another metastore");
        return Err(Problem::conflict(Code::Conflict, detail));
    }
    let hello = stream::iter([Ok(Event::default().comment("connected"))]);
    let reader = Reader {
        metastore,
        woken,
        after,
    };
    let frames = stream::try_unfold(reader, Reader::next)
        .map(|page| match page {
            Ok(changes) => changes.into_iter().map(Ok).collect(),
            Err(problem) => vec![Err(problem)],
        })
        .flat_map(stream::iter)
        .filter_map(move |change| {
            let is_shown = match &change {
                Ok(change) => caller.may_namespace(&change.namespace),
                Err(_) => true,
            };
            std::future::ready(is_shown.then(|| change.map(|change| frame(&change))))
        });
    Ok(
        Sse::new(hello.chain(frames))
            .keep_alive(KeepAlive::new().interval(KEEP_ALIVE).text("ping")),
    )
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    match httpkit::header(headers, "last-event-id")? {
        None | Some("") => Ok(None),
        Some(text) => match text.parse() {
            Ok(id) if id >= 0 => Ok(Some(id)),
            _ => Err(Problem::bad_request(
                Code::InvalidRequest,
                "Last-Event-ID: it is no id of this stream",
            )),
        },
    }
}

/// Where a client has read to.
struct Reader {
    metastore: Metastore,
    woken: watch::Receiver<u64>,
    after: i64,
}

impl Reader {
    /// The next changes, once there are some. A read that fails ends the stream, and the client
    /// comes back with the last id it has.
    async fn next(mut self) -> Result<Option<(Vec<Changed>, Self)>, Problem> {
        loop {
            self.woken.mark_unchanged();
            let after = self.after;
            let read = self
                .metastore
                .0
                .read(move |db| Ok(change::page(db, after, PAGE)?));
            let (changes, reached) = read.await?;
            self.after = reached;
            if !changes.is_empty() {
                return Ok(Some((changes, self)));
            }
            if self.woken.changed().await.is_err() {
                return Ok(None);
            }
        }
    }
}

fn frame(change: &Changed) -> Event {
    let frame = Event::default()
        .id(change.id.to_string())
        .event(change.action.event());
    // A change is text and numbers: its JSON has no line break and cannot fail.
    frame.data(serde_json::to_string(change).unwrap_or_default())
}
