//! A multipart form whose parts have heads of bounded length.
//!
//! The parser keeps what it reads until a part's head is whole, and so would keep a head that never
//! ends. So what it reads is counted, and the count begins anew with everything that it gives.

use axum::body::Body;
use axum::extract::multipart::{Field, Multipart, MultipartError};
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use futures::StreamExt;
use httpkit::{Code, Problem};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

/// What the parser may hold that it has not given yet: the head of a part, and what came with it.
const UNREAD_BYTES: usize = 256 * 1024;

/// The most parts of a form.
const PARTS: usize = 64;

/// A form that is read part by part.
#[derive(Debug)]
pub(super) struct BoundedForm {
    parts: Multipart,
    unread: Arc<AtomicUsize>,
    left: usize,
}

/// One part of a form.
#[derive(Debug)]
pub(super) struct BoundedField<'a> {
    field: Field<'a>,
    unread: Arc<AtomicUsize>,
}

impl<S: Send + Sync> FromRequest<S> for BoundedForm {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let unread = Arc::new(AtomicUsize::new(0));
        let request = request.map(|body| counted(body, Arc::clone(&unread)));
        let parts = Multipart::from_request(request, state)
            .await
            .map_err(|error| {
                Problem::new(
                    error.status(),
                    Code::UnsupportedMediaType,
                    error.body_text(),
                )
            })?;
        Ok(Self {
            parts,
            unread,
            left: PARTS,
        })
    }
}

impl BoundedForm {
    /// The next part.
    pub(super) async fn next_field(&mut self) -> Result<Option<BoundedField<'_>>, Problem> {
        let field = self.parts.next_field().await.map_err(of_multipart)?;
        self.unread.store(0, Ordering::Relaxed);
        let Some(field) = field else {
            return Ok(None);
        };
        self.left = self
            .left
            .checked_sub(1)
            .ok_or_else(|| Problem::too_large(format!("the form has more than {PARTS} parts")))?;
        Ok(Some(BoundedField {
            field,
            unread: Arc::clone(&self.unread),
        }))
    }
}

impl BoundedField<'_> {
    pub(super) fn name(&self) -> Option<&str> {
        self.field.name()
    }

    /// The next piece of the part's contents.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, Problem> {
        let chunk = self.field.chunk().await.map_err(of_multipart)?;
        self.unread.store(0, Ordering::Relaxed);
        Ok(chunk)
    }
}

/// `body`, which fails when the parser has taken much and given nothing.
fn counted(body: Body, unread: Arc<AtomicUsize>) -> Body {
    let mut data = body.into_data_stream();
    let mut has_paused = false;
    Body::from_stream(futures::stream::poll_fn(move |context| {
        if unread.load(Ordering::Relaxed) <= UNREAD_BYTES {
            has_paused = false;
        } else if has_paused {
            let error = io::Error::other("the head of a part is too long");
            return Poll::Ready(Some(Err(error)));
        } else {
            // The parser reads as long as there is something; now it gives what it has.
            has_paused = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let polled = data.poll_next_unpin(context);
        if let Poll::Ready(Some(Ok(piece))) = &polled {
            unread.fetch_add(piece.len(), Ordering::Relaxed);
        }
        polled.map(|piece| piece.map(|piece| piece.map_err(io::Error::other)))
    }))
}

fn of_multipart(error: MultipartError) -> Problem {
    Problem::new(
        error.status(),
        Code::InvalidRequest,
        format!("the form: {}", error.body_text()),
    )
}
