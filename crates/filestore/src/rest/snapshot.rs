//! `GET /v1/snapshot`

use super::{DIGEST, EPOCH, JOURNAL_ID, State, compact, problem};
use ::journal::{Digest, Epoch, JournalId, JournalReader, ReadError};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use catalogue::Catalogue;
use httpkit::Problem;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;

/// The bytes of one piece of the answer, about.
const PIECE_BYTES: usize = 64 * 1024;

/// Pieces that wait for the client.
const PIECES: usize = 4;

type At = (Epoch, JournalId, Digest);

/// All live nodes at one journal id, in the order of their ids, one a line.
///
/// `Accept-Encoding: zstd` gives the same lines compressed.
#[utoipa::path(
    get,
    path = "/v1/snapshot",
    operation_id = "readSnapshot",
    tag = "journal",
    responses((status = 200, content_type = "application/x-ndjson", headers(
        ("Tidemark-Epoch", description = "The journal's identity"),
        ("Tidemark-Journal-Id" = u64, description = "The entry that the nodes are the state at"),
        ("Tidemark-Digest", description = "That entry's digest"),
    )))
)]
pub(super) async fn read(state: State, asked: HeaderMap) -> Result<Response, Problem> {
    let (at, begun) = oneshot::channel();
    let (pieces, received) = mpsc::channel(PIECES);
    let catalogue = Arc::clone(&state.catalogue);
    tokio::task::spawn_blocking(move || send(&catalogue, at, &pieces));
    let begun = begun.await.map_err(|error| Problem::internal(&error))?;
    let (epoch, journal_id, digest) = begun.map_err(problem::of_read)?;
    let text =
        |text: String| HeaderValue::try_from(text).map_err(|error| Problem::internal(&error));
    let headers = [
        (EPOCH, text(epoch.to_string())?),
        (JOURNAL_ID, HeaderValue::from(journal_id.get())),
        (DIGEST, text(digest.to_string())?),
    ];
    let lines = compact::ndjson(&asked, ReceiverStream::new(received))?;
    Ok((headers, lines).into_response())
}

/// Reads the snapshot and sends it, as quickly as the client takes it.
fn send(
    catalogue: &Catalogue,
    at: oneshot::Sender<Result<At, ReadError>>,
    pieces: &mpsc::Sender<Result<Bytes, ReadError>>,
) {
    let snapshot = match catalogue.snapshot() {
        Ok(snapshot) => snapshot,
        Err(error) => {
            // If the client has gone, nobody wants to know.
            let _ = at.send(Err(error));
            return;
        }
    };
    if at
        .send(Ok((snapshot.epoch, snapshot.journal_id, snapshot.digest)))
        .is_err()
    {
        return;
    }
    let mut piece = Vec::with_capacity(PIECE_BYTES);
    for node in snapshot.nodes {
        let written = node.and_then(|node| {
            serde_json::to_writer(&mut piece, &node)
                .map_err(|error| ReadError::Damaged(error.to_string()))
        });
        if let Err(error) = written {
            let _ = pieces.blocking_send(Err(error));
            return;
        }
        piece.push(b'\n');
        if piece.len() >= PIECE_BYTES {
            let full = std::mem::replace(&mut piece, Vec::with_capacity(PIECE_BYTES));
            if pieces.blocking_send(Ok(Bytes::from(full))).is_err() {
                return;
            }
        }
    }
    let _ = pieces.blocking_send(Ok(Bytes::from(piece)));
}
