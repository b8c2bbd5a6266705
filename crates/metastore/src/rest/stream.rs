//! Record changes as they happen.

use crate::Metastore;
use crate::record::change::Changed;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::{Stream, StreamExt};
use httpkit::Caller;
use std::convert::Infallible;
use std::time::Duration;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;

const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// People's writes to records as server-sent events, from now on, in the namespaces that the
/// caller may see. Whoever reads too slowly misses some, and a comment says how many.
#[utoipa::path(get, path = "/stream/records", tag = "records", operation_id = "streamRecords",
    responses((status = 200, description = "Server-sent events `metastore.record.created`, \
        `updated` and `deleted`", content_type = "text/event-stream", body = String)))]
pub(super) async fn watch(
    State(metastore): State<Metastore>,
    caller: Caller,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let changes = BroadcastStream::new(metastore.0.changes.watch());
    let hello = futures::stream::iter([Ok(Event::default().comment("connected"))]);
    let frames = changes.filter_map(move |change| {
        let frame = match change {
            Ok(change) => caller
                .may_namespace(&change.namespace)
                .then(|| frame(&change)),
            Err(BroadcastStreamRecvError::Lagged(missed)) => {
                Some(Event::default().comment(format!("{missed} changes missed")))
            }
        };
        futures::future::ready(frame.map(Ok))
    });
    Sse::new(hello.chain(frames)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE).text("ping"))
}

fn frame(change: &Changed) -> Event {
    let frame = Event::default()
        .id(change.id.to_string())
        .event(change.action.event());
    // A change is text and numbers: its JSON has no line break and cannot fail.
    frame.data(serde_json::to_string(change).unwrap_or_default())
}
