//! Listening, serving, and stopping without cutting anybody off.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::serve::ListenerExt;
use axum::{Extension, Router};
use futures::StreamExt;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long a stop waits for requests in flight.
const DRAIN_LIMIT: Duration = Duration::from_secs(30);

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

/// Serves until `shutdown` is cancelled, then takes no more connections, finishes the requests in
/// flight (for at most 30 seconds) and ends event streams.
///
/// # Errors
/// The listener fails.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let stop = Shutdown(shutdown);
    let router = router
        .layer(from_fn_with_state(stop.clone(), end_event_streams))
        .layer(Extension(stop.clone()));
    let listener = listener.tap_io(|connection| {
        // Small answers leave at once; where that cannot be had, they leave a little later.
        connection.set_nodelay(true).ok();
    });
    let drained = {
        let stop = stop.clone();
        axum::serve(listener, router)
            .with_graceful_shutdown(async move { stop.requested().await })
            .into_future()
    };
    let overdue = async {
        stop.requested().await;
        tokio::time::sleep(DRAIN_LIMIT).await;
    };
    tokio::select! {
        result = drained => result,
        () = overdue => {
            let limit_seconds = DRAIN_LIMIT.as_secs();
            tracing::warn!(limit_seconds, "stopped with requests in flight");
            Ok(())
        }
    }
}

async fn end_event_streams(State(stop): State<Shutdown>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let content_type = response.headers().get(CONTENT_TYPE);
    if !content_type.is_some_and(|it| it.as_bytes().starts_with(b"text/event-stream")) {
        return response;
    }
    response.map(|body| {
        let until = stop.0.cancelled_owned();
        Body::from_stream(body.into_data_stream().take_until(until))
    })
}
