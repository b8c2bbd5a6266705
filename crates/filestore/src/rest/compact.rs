//! Long answers of lines, compressed for whoever takes them so: between processes the journal travels
//! in a tenth of its bytes.

use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, VARY};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use httpkit::Problem;
use std::error::Error;
use std::io::{self, Write as _};
use std::mem;
use zstd::stream::write::Encoder;

/// The content coding of RFC 8878.
const ZSTD: &str = "zstd";

/// Quick rather than small. Its window (512 KiB) is far below the 8 MiB that RFC 9659 allows.
const LEVEL: i32 = 1;

type Failure = Box<dyn Error + Send + Sync>;

/// A streamed `application/x-ndjson` answer, as one Zstandard frame if `Accept-Encoding` names `zstd`.
pub(super) fn ndjson<S, E>(asked: &HeaderMap, pieces: S) -> Result<Response, Problem>
where
    S: Stream<Item = Result<Bytes, E>> + Send + 'static,
    E: Into<Failure> + 'static,
{
    let mut response = if httpkit::takes_encoding(asked, ZSTD)? {
        let frame = compressed(pieces).map_err(|error| Problem::internal(&error))?;
        let mut response = httpkit::ndjson(frame);
        let zstd = HeaderValue::from_static(ZSTD);
        response.headers_mut().insert(CONTENT_ENCODING, zstd);
        response
    } else {
        httpkit::ndjson(pieces)
    };
    response.headers_mut().insert(VARY, ACCEPT_ENCODING.into());
    Ok(response)
}

fn compressed<S, E>(pieces: S) -> io::Result<impl Stream<Item = Result<Bytes, Failure>> + Send>
where
    S: Stream<Item = Result<Bytes, E>> + Send + 'static,
    E: Into<Failure> + 'static,
{
    let mut encoder = Encoder::new(Vec::new(), LEVEL)?;
    let ended = stream::once(async { None });
    let frame = pieces.map(Some).chain(ended).map(move |piece| {
        match piece {
            Some(piece) => encoder.write_all(&piece.map_err(Into::into)?)?,
            None => encoder.do_finish()?,
        }
        Ok(Bytes::from(mem::take(encoder.get_mut())))
    });
    // Not every piece fills a block.
    Ok(frame.filter(|piece| {
        let is_something = !matches!(piece, Ok(bytes) if bytes.is_empty());
        async move { is_something }
    }))
}
