//! `GET /v1/journal`

use super::consumers::see;
use super::{AFTER_DIGEST, EPOCH, HEAD, State, TRIMMED, compact, problem};
use ::journal::{Entry, Envelope, Epoch, JournalId, JournalReader, Page, ReadError};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use httpkit::{Problem, Query, Shutdown};
use serde::Deserialize;
use std::time::Duration;

/// Entries in one answer.
const MOST: usize = 10_000;
const DEFAULT: usize = 1_000;

/// The longest wait.
const WAIT_MS: u64 = 60_000;

/// The bytes of one piece of the answer, about.
const PIECE_BYTES: usize = 64 * 1024;

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct Params {
    /// The entries after this id, default 0.
    after: Option<u64>,
    /// At most so many, default 1,000; fewer may come. 0 gives the headers only.
    limit: Option<usize>,
    /// If there are none, wait so long for one, at most 60,000 ms.
    wait_ms: Option<u64>,
    /// The name of the consumer that reads. Retention keeps what comes after `after` for it.
    consumer: Option<String>,
}

/// The journal after an id: one envelope a line, dense and ascending, each with its chained digest.
///
/// `Accept-Encoding: zstd` gives the same lines compressed, about a tenth of the bytes.
#[utoipa::path(
    get,
    path = "/v1/journal",
    operation_id = "readJournal",
    tag = "journal",
    params(Params),
    responses(
        (status = 200, content_type = "application/x-ndjson", headers(
            ("Tidemark-Epoch", description = "The journal's identity"),
            ("Tidemark-Head" = u64, description = "Its last entry"),
            ("Tidemark-Trimmed" = u64, description = "The last entry that retention removed"),
            ("Tidemark-After-Digest", description = "The digest of `after` itself; absent past the head"),
        )),
        (status = 410, description = "`after` lies below the trimmed id: start from a snapshot")
    )
)]
pub(super) async fn read(
    state: State,
    Query(params): Query<Params>,
    asked: HeaderMap,
    shutdown: Shutdown,
) -> Result<Response, Problem> {
    let after = JournalId::new(params.after.unwrap_or(0));
    let limit = params.limit.unwrap_or(DEFAULT).min(MOST);
    let wait = Duration::from_millis(params.wait_ms.unwrap_or(0).min(WAIT_MS));
    if limit > 0 && !wait.is_zero() {
        let mut head = state.head_watch();
        let arrived = head.wait_for(|head| head.id > after);
        tokio::select! {
            _ = arrived => {}
            () = tokio::time::sleep(wait) => {}
            () = shutdown.requested() => {}
            () = state.closing.cancelled() => {}
        }
    }
    let consumer = params.consumer.filter(|_| limit > 0);
    let page = state
        .read_blocking(move |filestore| {
            if let Some(name) = consumer {
                see(filestore, &name, after)?;
            }
            match JournalReader::read(&*filestore.catalogue, after, limit) {
                Ok(page) => Ok(Ok(page)),
                Err(error @ ReadError::Trimmed { trimmed, .. }) => {
                    Ok(Err((trimmed, problem::of_read(error))))
                }
                Err(error) => Err(problem::of_read(error)),
            }
        })
        .await?;
    let page = match page {
        Ok(page) => page,
        // A consumer reads the header to know that it must start from a snapshot.
        Err((trimmed, gone)) => {
            let mut response = gone.into_response();
            let trimmed = HeaderValue::from(trimmed.get());
            response.headers_mut().insert(TRIMMED, trimmed);
            return Ok(response);
        }
    };
    let headers = headers(&page)?;
    let epoch = page.position.epoch;
    let lines = compact::ndjson(&asked, lines(epoch, page.entries))?;
    Ok((headers, lines).into_response())
}

fn headers(page: &Page) -> Result<HeaderMap, Problem> {
    let mut headers = HeaderMap::new();
    let text =
        |text: String| HeaderValue::try_from(text).map_err(|error| Problem::internal(&error));
    headers.insert(EPOCH, text(page.position.epoch.to_string())?);
    headers.insert(HEAD, HeaderValue::from(page.position.head.get()));
    headers.insert(TRIMMED, HeaderValue::from(page.position.trimmed.get()));
    if let Some(digest) = page.after_digest {
        headers.insert(AFTER_DIGEST, text(digest.to_string())?);
    }
    Ok(headers)
}

/// The lines, a piece at a time: the page is in memory, its JSON never is as a whole.
fn lines(
    epoch: Epoch,
    entries: Vec<Entry>,
) -> impl futures::Stream<Item = serde_json::Result<Bytes>> + Send + 'static {
    let mut entries = entries.into_iter();
    stream::iter(std::iter::from_fn(move || {
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        for entry in entries.by_ref() {
            if let Err(error) = serde_json::to_writer(&mut piece, &Envelope::of(epoch, &entry)) {
                return Some(Err(error));
            }
            piece.push(b'\n');
            if piece.len() >= PIECE_BYTES {
                break;
            }
        }
        (!piece.is_empty()).then(|| Ok(Bytes::from(piece)))
    }))
}
