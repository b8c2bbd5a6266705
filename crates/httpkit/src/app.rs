//! A service's router becomes what is served.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::Value;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;

use crate::authorize::{Policy, authorize};
use crate::deadline::deadline;
use crate::edge::{Edge, edge, panicked};
use crate::ops::{self, Ops, Pages, ReadyCheck};
use crate::{Tokens, docs, metric, openapi};

const BODY_LIMIT_BYTES: usize = 16 << 20;
const STANDSTILL_LIMIT: Duration = Duration::from_secs(120);

/// A service on its way to being served.
pub struct App {
    service: &'static str,
    title: &'static str,
    router: OpenApiRouter,
    tokens: Option<Arc<Tokens>>,
    ready: Option<ReadyCheck>,
    metrics: Option<PrometheusHandle>,
    body_limit_bytes: usize,
    standstill_limit: Duration,
}

impl App {
    /// `service` is the first half of its scopes (`filestore`); `title` stands over its reference.
    #[must_use]
    pub fn new(service: &'static str, title: &'static str, router: OpenApiRouter) -> Self {
        Self {
            service,
            title,
            router,
            tokens: None,
            ready: None,
            metrics: None,
            body_limit_bytes: BODY_LIMIT_BYTES,
            standstill_limit: STANDSTILL_LIMIT,
        }
    }

    /// With tokens every operation needs a scope: the one that its document names
    /// (`security(("bearer" = ["metastore:delete"]))`), else `<service>:read` for GET and HEAD and
    /// `<service>:write` for the rest. `security(())` makes an operation public, and
    /// `security(("bearer" = ["admin"]))` asks for `<service>:admin`.
    #[must_use]
    pub fn tokens(mut self, tokens: Option<Arc<Tokens>>) -> Self {
        self.tokens = tokens;
        self
    }

    /// What `/readyz` asks; the error says, for everyone to read, what is missing.
    #[must_use]
    pub fn ready(mut self, check: impl Fn() -> Result<(), String> + Send + Sync + 'static) -> Self {
        self.ready = Some(Arc::new(check));
        self
    }

    /// What `/metrics` renders.
    #[must_use]
    pub fn metrics(mut self, handle: PrometheusHandle) -> Self {
        self.metrics = Some(handle);
        self
    }

    /// The most that an extractor takes of a body (default 16 MiB). A route that streams its body
    /// opts out with `axum::extract::DefaultBodyLimit::disable()` as its own layer.
    #[must_use]
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit_bytes = bytes;
        self
    }

    /// How long a request may stand still before it is given up (default 120 seconds): 408 while
    /// the client owes more of the body, else 504. Time in which the body flows does not count.
    #[must_use]
    pub fn standstill_limit(mut self, limit: Duration) -> Self {
        self.standstill_limit = limit;
        self
    }

    /// The OpenAPI document as it is served.
    #[must_use]
    pub fn openapi(&self) -> Value {
        let mut document = self.router.get_openapi().clone();
        let ops = Ops {
            service: self.service,
            ready: None,
            metrics: None,
            tokens: None,
            pages: OnceLock::new(),
        };
        document.merge(ops::router(Arc::new(ops)).into_openapi());
        openapi::complete(document, self.service, self.title).0
    }

    /// The router to serve.
    pub fn into_router(self) -> Router {
        metric::describe();
        let ops = Arc::new(Ops {
            service: self.service,
            ready: self.ready,
            metrics: self.metrics,
            tokens: self.tokens.clone(),
            pages: OnceLock::new(),
        });
        let merged = self.router.merge(ops::router(Arc::clone(&ops)));
        let (router, document) = merged.split_for_parts();
        let (document, needs) = openapi::complete(document, self.service, self.title);
        ops.pages.get_or_init(|| Pages {
            openapi: format!("{document:#}").into(),
            docs: docs::render(&document),
        });
        let edge_of_service = Edge {
            service: self.service,
            allowed: openapi::allowed(&needs),
        };
        let policy = Policy {
            service: self.service,
            tokens: self.tokens,
            needs,
        };
        // From the innermost to the outermost.
        router
            .layer(from_fn_with_state(Arc::new(policy), authorize))
            .layer(DefaultBodyLimit::max(self.body_limit_bytes))
            .layer(from_fn_with_state(self.standstill_limit, deadline))
            .layer(CatchPanicLayer::custom(panicked))
            .layer(from_fn_with_state(Arc::new(edge_of_service), edge))
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("service", &self.service)
            .field("tokens", &self.tokens)
            .finish_non_exhaustive()
    }
}
