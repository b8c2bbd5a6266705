//! Listening, serving, and stopping without cutting anybody off.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::{Extension, Router};
use futures::StreamExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::connection::{Connections, Limits, Registered, Watched, request_body, response_body};
use crate::edge::is_event_stream;

/// How long a stop waits for requests in flight.
const DRAIN_LIMIT: Duration = Duration::from_secs(30);

/// How long a stop waits for a client that neither reads nor sends.
const DRAIN_STALLED: Duration = Duration::from_secs(3);

/// The longest head of a request.
const HEAD_MAX_BYTES: usize = 128 * 1024;

/// How long to wait when the system gives no connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why a service does not listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Other machines would reach a service without tokens.
    #[error(
        "refusing to listen on {address}: without a tokens file anybody who reaches that address \
         could read and change everything; listen on 127.0.0.1, or set {} (--tokens-file)",
        "TIDEMARK_TOKENS_FILE"
    )]
    NotLoopback {
        /// What was asked for.
        address: String,
    },
    /// Somebody else listens there.
    #[error(
        "cannot listen on {address}: another process listens there; stop it, or choose another \
         port with {setting}"
    )]
    InUse {
        /// What was asked for.
        address: String,
        /// The setting to change.
        setting: String,
    },
    /// The port needs a privilege.
    #[error(
        "cannot listen on {address}: this user may not; choose a port above 1023 with {setting}"
    )]
    NotAllowed {
        /// What was asked for.
        address: String,
        /// The setting to change.
        setting: String,
    },
    /// The host name or address is not one of this machine.
    #[error("cannot listen on {address}: check the host with {setting}")]
    Host {
        /// What was asked for.
        address: String,
        /// The setting to change.
        setting: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl BindError {
    /// Names the settings of `service` (`filestore` → `FILESTORE_PORT`) as the ones to change.
    #[must_use]
    pub fn of_service(mut self, service: &str) -> Self {
        let (Self::InUse { setting, .. }
        | Self::NotAllowed { setting, .. }
        | Self::Host { setting, .. }) = &mut self
        else {
            return self;
        };
        if let Some(which) = setting.strip_prefix("the service's ") {
            *setting = format!("{}_{which}", service.to_uppercase());
        }
        self
    }
}

/// Listens on `host`:`port`; port 0 takes a free one.
///
/// # Errors
/// As in [`BindError`]: without tokens only loopback addresses are listened on.
pub async fn bind(
    host: &str,
    port: u16,
    tokens_configured: bool,
) -> Result<TcpListener, BindError> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let address = if bare.contains(':') {
        format!("[{bare}]:{port}")
    } else {
        format!("{bare}:{port}")
    };
    let host_error = |source| BindError::Host {
        address: address.clone(),
        setting: "the service's HOST".to_owned(),
        source,
    };
    let found = tokio::net::lookup_host((bare, port))
        .await
        .map_err(host_error)?;
    let addresses: Vec<SocketAddr> = found.collect();
    let is_open = addresses
        .iter()
        .any(|it| !it.ip().to_canonical().is_loopback());
    if is_open && !tokens_configured {
        return Err(BindError::NotLoopback { address });
    }
    let setting = || "the service's PORT".to_owned();
    TcpListener::bind(&*addresses)
        .await
        .map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse {
                address: address.clone(),
                setting: setting(),
            },
            io::ErrorKind::PermissionDenied => BindError::NotAllowed {
                address: address.clone(),
                setting: setting(),
            },
            _ => host_error(source),
        })
}

/// Tells a handler that the service stops; an extractor.
///
/// A handler that waits (a long poll) waits for this as well, and answers with what it has. An
/// answer of `text/event-stream` needs nothing: it ends by itself.
#[derive(Debug, Clone, Default)]
pub struct Shutdown(pub CancellationToken);

impl Shutdown {
    /// Returns once the service has been told to stop.
    pub async fn requested(&self) {
        self.0.cancelled().await;
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Shutdown {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

/// [`serve_within`] the usual limits.
///
/// # Errors
/// None today; a listener that fails for a while is asked again.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
) -> io::Result<()> {
    serve_within(Limits::default(), listener, router, shutdown).await
}

/// Serves until `shutdown` is cancelled, then takes no more connections, finishes the requests in
/// flight (for at most 30 seconds) and ends event streams.
///
/// A connection is bounded: the head of a request in bytes (128 KiB, else 431) and in time, and
/// the number of connections by what the process may open.
///
/// # Errors
/// None today; a listener that fails for a while is asked again.
pub async fn serve_within(
    limits: Limits,
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let stop = Shutdown(shutdown);
    let router = router
        .layer(from_fn_with_state(stop.clone(), end_event_streams))
        .layer(Extension(stop.clone()));
    let connections = Connections::new(limits);
    let tasks = TaskTracker::new();
    loop {
        let socket = tokio::select! {
            socket = accept(&listener, &connections) => socket,
            () = stop.requested() => break,
        };
        let registered = connections.add();
        tasks.spawn(answer(
            limits,
            socket,
            registered,
            router.clone(),
            stop.clone(),
        ));
    }
    drop(listener);
    tasks.close();
    drain(&connections, &tasks).await;
    Ok(())
}

/// The next connection, once there is room for it. It waits here: only a client that is there
/// makes another one go.
async fn accept(listener: &TcpListener, connections: &Connections) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                // Small answers leave at once; where that cannot be had, they leave a little later.
                socket.set_nodelay(true).ok();
                connections.room().await;
                return socket;
            }
            // The client went away while it waited.
            Err(error) if is_of_client(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "connection not accepted");
                connections.make_room();
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn is_of_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
    )
}

/// Answers the requests of one connection, until it ends, is closed for another one, or the
/// service stops.
async fn answer(
    limits: Limits,
    socket: TcpStream,
    registered: Registered,
    router: Router,
    stop: Shutdown,
) {
    let connection = &registered.connection;
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let under_way = connection.begin();
        let request = request.map(|body| request_body(connection, body));
        let answer = router.clone().oneshot(request);
        async move {
            let response = answer.await?;
            Ok::<_, Infallible>(response.map(|body| response_body(under_way, body)))
        }
    });
    let socket = Watched::new(socket, Arc::clone(connection), limits.write);
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(HEAD_MAX_BYTES)
        .serve_connection(TokioIo::new(socket), service);
    tokio::pin!(serving);
    let mut is_stopping = false;
    loop {
        tokio::select! {
            biased;
            // Whoever is served badly knows it; the service is not concerned.
            _ended = serving.as_mut() => return,
            () = connection.close.cancelled() => return,
            () = stop.requested(), if !is_stopping => {
                if connection.is_idle() {
                    return;
                }
                is_stopping = true;
                serving.as_mut().graceful_shutdown();
            }
        }
    }
}

/// Waits for the requests in flight, but not for clients that do not move.
async fn drain(connections: &Connections, tasks: &TaskTracker) {
    let overdue = tokio::time::sleep(DRAIN_LIMIT);
    tokio::pin!(overdue);
    loop {
        tokio::select! {
            () = tasks.wait() => return,
            () = overdue.as_mut() => {
                let limit_seconds = DRAIN_LIMIT.as_secs();
                tracing::warn!(limit_seconds, "stopped with requests in flight");
                connections.close_all();
                return;
            }
            () = tokio::time::sleep(Duration::from_secs(1)) => {
                connections.close_stalled(DRAIN_STALLED);
            }
        }
    }
}

async fn end_event_streams(State(stop): State<Shutdown>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    if !is_event_stream(&response) {
        return response;
    }
    response.map(|body| {
        let until = stop.0.cancelled_owned();
        Body::from_stream(body.into_data_stream().take_until(until))
    })
}
