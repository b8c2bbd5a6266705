//! The connections of a listener: how many there are, whose turn it is on each, and which one
//! goes when there are too many.
//!
//! A connection takes a descriptor, and so do the databases and the files that are served. So
//! each listener holds its connections to a part of what the process may open. When they are that
//! many, one that waits for its client is closed for the next client: first the one that has waited
//! longest for a request, or for the rest of its head, then one whose client neither reads nor
//! sends. A connection on which the service works is never closed for another one.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, Incoming, SizeHint};
use rustix::process::{Resource, getrlimit};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::CancellationToken;

use crate::refused;

/// One of so many parts of the descriptors is for the connections of one listener: three services
/// in a process take half.
const PART_OF_DESCRIPTORS: u64 = 6;

/// After so long without a byte a connection is closed, if there are too many, although a request
/// is under way.
const STALLED: Duration = Duration::from_secs(10);

/// How long clients may take, and how many there may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long a client may take for the head of a request, and stay quiet between two of them.
    pub head: Duration,
    /// How long a client may take nothing of an answer.
    pub write: Duration,
    /// No listener holds more connections than this, whatever the process may open.
    pub connections: usize,
}

impl Default for Limits {
    /// 30 seconds, 120 seconds, 16,384 connections.
    fn default() -> Self {
        Self {
            head: Duration::from_secs(30),
            write: Duration::from_secs(120),
            connections: 16_384,
        }
    }
}

impl Limits {
    /// How many connections a listener may hold now. What the process may open can be changed
    /// from outside.
    fn connections_now(&self) -> usize {
        let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        usize::try_from(descriptors / PART_OF_DESCRIPTORS)
            .unwrap_or(usize::MAX)
            .min(self.connections)
            .max(1)
    }
}

/// The connections of one listener.
#[derive(Debug)]
pub(crate) struct Connections {
    limits: Limits,
    open: Mutex<HashMap<u64, Arc<Connection>>>,
    next: AtomicU64,
    freed: Notify,
    started: Instant,
}

impl Connections {
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            open: Mutex::default(),
            next: AtomicU64::new(0),
            freed: Notify::new(),
            started: Instant::now(),
        })
    }

    /// Returns when there is room for one more.
    pub(crate) async fn room(&self) {
        while self.count() >= self.limits.connections_now() {
            let freed = self.freed.notified();
            self.make_room();
            // The limit may have changed too, and a client may have stalled.
            let _ = tokio::time::timeout(Duration::from_secs(1), freed).await;
        }
    }

    /// Closes the connection that has waited longest for its client.
    pub(crate) fn make_room(&self) {
        let open = self.lock();
        // Of several since the same millisecond the one that came first goes.
        let idle = open
            .iter()
            .filter(|(_, it)| it.is_idle())
            .min_by_key(|(id, it)| (it.idle_since.load(Ordering::Relaxed), **id));
        let stalled = || {
            open.iter()
                .filter(|(_, it)| it.is_stalled(STALLED))
                .min_by_key(|(id, it)| (it.moved_at.load(Ordering::Relaxed), **id))
        };
        if let Some((_, connection)) = idle.or_else(stalled) {
            connection.close.cancel();
        }
    }

    /// Closes every connection whose client has neither read nor sent for so long.
    pub(crate) fn close_stalled(&self, limit: Duration) {
        for connection in self.lock().values().filter(|it| it.is_stalled(limit)) {
            connection.close.cancel();
        }
    }

    pub(crate) fn close_all(&self) {
        for connection in self.lock().values() {
            connection.close.cancel();
        }
    }

    pub(crate) fn add(self: &Arc<Self>) -> Registered {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let connection = Arc::new(Connection {
            started: self.started,
            idle_since: AtomicU64::new(0),
            moved_at: AtomicU64::new(0),
            requests: AtomicUsize::new(0),
            is_writing: AtomicBool::new(false),
            owes_body: AtomicBool::new(false),
            close: CancellationToken::new(),
        });
        connection.moved();
        connection.idle();
        self.lock().insert(id, Arc::clone(&connection));
        Registered {
            connections: Arc::clone(self),
            id,
            connection,
        }
    }

    fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Arc<Connection>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection in the list, for as long as it lives.
#[derive(Debug)]
pub(crate) struct Registered {
    connections: Arc<Connections>,
    id: u64,
    pub(crate) connection: Arc<Connection>,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.connections.lock().remove(&self.id);
        self.connections.freed.notify_one();
    }
}

/// Whose turn it is on one connection. Times are milliseconds since the listener started.
#[derive(Debug)]
pub(crate) struct Connection {
    started: Instant,
    /// Since when no request is under way.
    idle_since: AtomicU64,
    /// When the last byte went either way.
    moved_at: AtomicU64,
    requests: AtomicUsize,
    /// The client has yet to take what was written.
    is_writing: AtomicBool,
    /// The handler waits for more of the request's body.
    owes_body: AtomicBool,
    pub(crate) close: CancellationToken,
}

impl Connection {
    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn moved(&self) {
        self.moved_at.store(self.now(), Ordering::Relaxed);
    }

    fn idle(&self) {
        self.idle_since.store(self.now(), Ordering::Relaxed);
    }

    /// No request is under way, nor an answer.
    pub(crate) fn is_idle(&self) -> bool {
        self.requests.load(Ordering::Relaxed) == 0 && !self.is_writing.load(Ordering::Relaxed)
    }

    fn is_stalled(&self, limit: Duration) -> bool {
        let is_clients_turn =
            self.is_writing.load(Ordering::Relaxed) || self.owes_body.load(Ordering::Relaxed);
        let quiet = self
            .now()
            .saturating_sub(self.moved_at.load(Ordering::Relaxed));
        is_clients_turn && Duration::from_millis(quiet) >= limit
    }

    /// A request is under way until what is returned is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> UnderWay {
        self.requests.fetch_add(1, Ordering::Relaxed);
        UnderWay(Arc::clone(self))
    }
}

/// A request that is not answered yet, to the last byte of the answer.
#[derive(Debug)]
pub(crate) struct UnderWay(Arc<Connection>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.owes_body.store(false, Ordering::Relaxed);
        self.0.idle();
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A request's body that tells whether the client owes more of it.
pub(crate) fn request_body(connection: &Arc<Connection>, body: Incoming) -> Body {
    if body.is_end_stream() {
        return Body::empty();
    }
    Body::new(RequestBody {
        body,
        connection: Arc::clone(connection),
    })
}

struct RequestBody {
    body: Incoming,
    connection: Arc<Connection>,
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        let owes = polled.is_pending();
        self.connection.owes_body.store(owes, Ordering::Relaxed);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body that keeps its request under way.
pub(crate) fn response_body(under_way: UnderWay, body: Body) -> Body {
    Body::new(ResponseBody {
        body,
        _under_way: under_way,
    })
}

struct ResponseBody {
    body: Body,
    _under_way: UnderWay,
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A socket that tells when bytes move, and fails when its client takes none for too long. What
/// hyper answers by itself leaves as a problem document.
#[derive(Debug)]
pub(crate) struct Watched {
    socket: TcpStream,
    connection: Arc<Connection>,
    limit: Duration,
    overdue: Option<Pin<Box<Sleep>>>,
    instead: Option<Instead>,
}

/// What is written in place of what hyper gave.
#[derive(Debug)]
struct Instead {
    bytes: Vec<u8>,
    written: usize,
}

impl Watched {
    /// Fails when its client takes nothing for `limit`.
    pub(crate) fn new(socket: TcpStream, connection: Arc<Connection>, limit: Duration) -> Self {
        Self {
            socket,
            connection,
            limit,
            overdue: None,
            instead: None,
        }
    }

    /// Writes what hyper gave, or what stands in its place; tells how much of what hyper gave that
    /// is.
    fn write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        // Of an answer that is under way only its own bytes are written.
        if self.instead.is_none() && self.connection.requests.load(Ordering::Relaxed) == 0 {
            self.instead = refused::with_problem(bytes).map(|bytes| Instead { bytes, written: 0 });
        }
        let Some(instead) = &mut self.instead else {
            return Pin::new(&mut self.socket).poll_write(context, bytes);
        };
        while let Some(rest) = instead.bytes.get(instead.written..)
            && !rest.is_empty()
        {
            let count = ready!(Pin::new(&mut self.socket).poll_write(context, rest))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            instead.written += count;
        }
        self.instead = None;
        Poll::Ready(Ok(bytes.len()))
    }

    fn wrote<T>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let is_pending = polled.is_pending();
        self.connection
            .is_writing
            .store(is_pending, Ordering::Relaxed);
        if !is_pending {
            self.connection.moved();
            self.overdue = None;
            return polled;
        }
        let overdue = self
            .overdue
            .get_or_insert_with(|| Box::pin(sleep(self.limit)));
        ready!(overdue.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = ready!(Pin::new(&mut self.socket).poll_read(context, buffer));
        self.connection.moved();
        Poll::Ready(read)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = self.write(context, bytes);
        self.wrote(context, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = match slices {
            [only] => self.write(context, only),
            slices => Pin::new(&mut self.socket).poll_write_vectored(context, slices),
        };
        self.wrote(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
