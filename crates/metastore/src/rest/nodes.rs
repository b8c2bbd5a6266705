//! The nodes as this book sees them, so that the three books can be compared.

use crate::Metastore;
use crate::db::json_list;
use crate::node::snapshot_node;
use crate::sink::load_checkpoint;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use feed::Checkpoint;
use httpkit::{Caller, Problem, Query};
use rusqlite::{Connection, params};
use serde::Deserialize;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;

/// How much is collected before it is sent on.
const CHUNK_BYTES: usize = 64 << 10;
/// How many chunks may wait for a client; more wait in the database.
const CHUNKS: usize = 8;

/// Which nodes.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct NodesQuery {
    /// Only nodes with ids above this.
    #[serde(default)]
    after: i64,
    /// At most so many; all, if it is left out.
    #[serde(default)]
    limit: Option<u32>,
}

/// How long a client may take nothing. An unread answer keeps an old state of the book alive, and
/// the write-ahead log from being cut.
const STALL: Duration = Duration::from_secs(30);

type Chunk = Result<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// The live nodes of one state of the book, by id, one JSON object a line
///
/// A token for some namespaces gets the nodes whose records lie there.
#[utoipa::path(get, path = "/filestore/nodes", tag = "filestore", operation_id = "listNodes",
    params(NodesQuery),
    responses((status = 200, description = "A node a line; `Tidemark-Journal-Id`, \
        `Tidemark-Digest` and `Tidemark-Epoch` tell which entry they are the state at",
        content_type = "application/x-ndjson", body = String)))]
pub(super) async fn list(
    State(metastore): State<Metastore>,
    caller: Caller,
    Query(query): Query<NodesQuery>,
) -> Result<Response, Problem> {
    let namespaces = caller.namespaces().map(json_list);
    let permit = std::sync::Arc::clone(&metastore.0.node_streams)
        .try_acquire_owned()
        .map_err(|_| Problem::too_many("as many node streams run already as may at once"))?;
    let (head, checkpoint) = oneshot::channel();
    let (chunks, body) = mpsc::channel(CHUNKS);
    let inner = std::sync::Arc::clone(&metastore.0);
    let client = Client {
        chunks,
        runtime: Handle::current(),
    };
    let work = move || {
        let _permit = permit;
        if let Err(error) = inner
            .open_reader()
            .and_then(|db| send(&db, &query, namespaces.as_deref(), head, &client))
        {
            client.take(Err(Box::new(error)));
        }
    };
    std::thread::Builder::new()
        .name("metastore-nodes".to_owned())
        .spawn(work)
        .map_err(|error| Problem::internal(&error))?;
    let Ok(checkpoint) = checkpoint.await else {
        return Err(Problem::unavailable(
            "the metastore's database is not available now",
        ));
    };
    let body = httpkit::ndjson(ReceiverStream::new(body));
    Ok((headers(checkpoint), body).into_response())
}

/// Whoever reads the stream.
struct Client {
    chunks: mpsc::Sender<Chunk>,
    runtime: Handle,
}

impl Client {
    /// Hands on a chunk; false if the client has left or takes nothing more.
    fn take(&self, chunk: Chunk) -> bool {
        self.runtime
            .block_on(self.chunks.send_timeout(chunk, STALL))
            .is_ok()
    }
}

fn headers(checkpoint: Option<Checkpoint>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut put = |name: &'static str, value: String| {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    match checkpoint {
        None => put("tidemark-journal-id", "0".to_owned()),
        Some(Checkpoint {
            epoch,
            journal_id,
            digest,
        }) => {
            put("tidemark-journal-id", journal_id.to_string());
            put("tidemark-digest", digest.to_string());
            put("tidemark-epoch", epoch.to_string());
        }
    }
    headers
}

/// Sends the checkpoint, then the nodes, of one state of the book.
fn send(
    db: &Connection,
    query: &NodesQuery,
    namespaces: Option<&str>,
    head: oneshot::Sender<Option<Checkpoint>>,
    client: &Client,
) -> rusqlite::Result<()> {
    let transaction = db.unchecked_transaction()?;
    let checkpoint = load_checkpoint(&transaction)?;
    if head.send(checkpoint).is_err() {
        return Ok(());
    }
    let mut statement = transaction.prepare(include_str!("../sql/nodes_live.sql"))?;
    let limit = query.limit.map_or(-1, i64::from);
    let mut rows = statement.query(params![query.after, limit, namespaces])?;
    let mut buffer = Vec::with_capacity(CHUNK_BYTES);
    while let Some(row) = rows.next()? {
        let node = snapshot_node(row)?;
        serde_json::to_writer(&mut buffer, &node)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        buffer.push(b'\n');
        if buffer.len() >= CHUNK_BYTES {
            let full = std::mem::replace(&mut buffer, Vec::with_capacity(CHUNK_BYTES));
            if !client.take(Ok(full.into())) {
                return Ok(());
            }
        }
    }
    if !buffer.is_empty() {
        client.take(Ok(buffer.into()));
    }
    Ok(())
}
