//! The routes that every service has: is it alive, is it ready, how is it doing, what can it do.

use std::fmt;
use std::sync::{Arc, OnceLock};

use axum::extract::State;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::{Caller, Code, Json, Problem, Result, Tokens, docs};

/// Answers why the service is not ready, if it is not.
pub(crate) type ReadyCheck = Arc<dyn Fn() -> std::result::Result<(), String> + Send + Sync>;

pub(crate) struct Ops {
    pub(crate) service: &'static str,
    pub(crate) ready: Option<ReadyCheck>,
    pub(crate) metrics: Option<PrometheusHandle>,
    pub(crate) tokens: Option<Arc<Tokens>>,
    /// Set once the routes, and with them the document, are complete.
    pub(crate) pages: OnceLock<Pages>,
}

/// What is rendered once, at the start.
#[derive(Debug)]
pub(crate) struct Pages {
    pub(crate) openapi: Bytes,
    /// With a placeholder for the address under which the reader came.
    pub(crate) docs: String,
}

impl fmt::Debug for Ops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ops")
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}

pub(crate) fn router(ops: Arc<Ops>) -> OpenApiRouter {
    OpenApiRouter::default()
        .routes(routes!(healthz))
        .routes(routes!(health))
        .routes(routes!(readyz))
        .routes(routes!(ready))
        .routes(routes!(metrics))
        .routes(routes!(openapi))
        .routes(routes!(reference))
        .routes(routes!(reload_tokens))
        .with_state(ops)
}

/// The answer of a service that is alive.
#[derive(Debug, Serialize, ToSchema)]
struct Liveness {
    /// Always `ok`: a service that is not does not answer.
    #[schema(example = "ok")]
    status: &'static str,
    /// `filestore`, `metastore` or `timestore`.
    #[schema(example = "filestore")]
    service: &'static str,
    /// The version of Tidemark.
    version: &'static str,
    /// What an operator should look at, though the service works.
    warnings: Vec<&'static str>,
}

const TOKENS_BROKEN: &str = "the tokens file is broken: the tokens read before hold, and changes \
    of the file have no effect; `tidemark doctor` and the log say what is wrong";

fn alive(ops: &Ops) -> Json<Liveness> {
    let has_fault = |tokens: &Arc<Tokens>| tokens.fault().is_some();
    Json(Liveness {
        status: "ok",
        service: ops.service,
        version: env!("CARGO_PKG_VERSION"),
        warnings: match ops.tokens.as_ref().is_some_and(has_fault) {
            true => vec![TOKENS_BROKEN],
            false => Vec::new(),
        },
    })
}

fn readiness(ops: &Ops) -> Result<Json<Liveness>> {
    let Some(check) = &ops.ready else {
        return Ok(alive(ops));
    };
    check()
        .map(|()| alive(ops))
        .map_err(|reason| Problem::new(StatusCode::SERVICE_UNAVAILABLE, Code::NotReady, reason))
}

/// Is the process alive?
#[utoipa::path(get, path = "/healthz", tag = "operations", security(()),
    responses((status = 200, description = "Alive", body = Liveness)))]
async fn healthz(State(ops): State<Arc<Ops>>) -> Json<Liveness> {
    alive(&ops)
}

/// Is the process alive? The same as /healthz.
#[utoipa::path(get, path = "/health", tag = "operations", security(()),
    responses((status = 200, description = "Alive", body = Liveness)))]
async fn health(State(ops): State<Arc<Ops>>) -> Json<Liveness> {
    alive(&ops)
}

/// Can the service do its work?
#[utoipa::path(get, path = "/readyz", tag = "operations", security(()), responses(
    (status = 200, description = "Ready", body = Liveness),
    (status = 503, description = "Not ready, and why", body = Problem,
        content_type = "application/problem+json")))]
async fn readyz(State(ops): State<Arc<Ops>>) -> Result<Json<Liveness>> {
    readiness(&ops)
}

/// Can the service do its work? The same as /readyz.
#[utoipa::path(get, path = "/ready", tag = "operations", security(()), responses(
    (status = 200, description = "Ready", body = Liveness),
    (status = 503, description = "Not ready, and why", body = Problem,
        content_type = "application/problem+json")))]
async fn ready(State(ops): State<Arc<Ops>>) -> Result<Json<Liveness>> {
    readiness(&ops)
}

/// Metrics in Prometheus' text format
///
/// They are about everything in the process: a token that is limited to namespaces or paths gets
/// 403.
#[utoipa::path(get, path = "/metrics", tag = "operations",
    responses((status = 200, description = "Metrics", body = String, content_type = "text/plain")))]
async fn metrics(State(ops): State<Arc<Ops>>, caller: Caller) -> Result<Response> {
    caller.require_unlimited()?;
    let handle = ops
        .metrics
        .as_ref()
        .ok_or_else(|| Problem::not_found("no metrics are recorded in this process"))?;
    Ok((
        [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        handle.render(),
    )
        .into_response())
}

/// What reading the tokens file again came to.
#[derive(Debug, Serialize, ToSchema)]
struct Reloaded {
    /// How many tokens there are now.
    tokens: usize,
}

/// Read the tokens file again
///
/// The file is read whenever it changes, too; this says whether it is right. A file that is broken
/// is refused with 409, and the tokens read before hold. Open requests of a token that is gone, or
/// that allows something else now, are ended.
#[utoipa::path(post, path = "/admin/tokens/reload", tag = "operations", operation_id = "reloadTokens",
    security(("bearer" = ["admin"])),
    responses((status = 200, description = "The tokens of the file hold", body = Reloaded),
        (status = 409, description = "The file is broken, or there is none", body = Problem,
            content_type = "application/problem+json")))]
async fn reload_tokens(State(ops): State<Arc<Ops>>) -> Result<Json<Reloaded>> {
    let Some(tokens) = &ops.tokens else {
        return Err(Problem::conflict(
            Code::Unsupported,
            "no tokens file is configured (TIDEMARK_TOKENS_FILE)",
        ));
    };
    match tokens.reload() {
        Ok(tokens) => Ok(Json(Reloaded { tokens })),
        Err(error) => Err(Problem::conflict(
            Code::TokensFileBroken,
            format!("{error}; the tokens read before hold"),
        )),
    }
}

/// The OpenAPI document of this service.
#[utoipa::path(get, path = "/openapi.json", tag = "operations", security(()),
    responses((status = 200, description = "OpenAPI 3.1", body = Object)))]
async fn openapi(State(ops): State<Arc<Ops>>) -> Response {
    let document = ops
        .pages
        .get()
        .map(|pages| pages.openapi.clone())
        .unwrap_or_default();
    ([(CONTENT_TYPE, "application/json")], document).into_response()
}

/// The same as a page for people.
#[utoipa::path(get, path = "/docs", tag = "operations", security(()),
    responses((status = 200, description = "This page", body = String, content_type = "text/html")))]
async fn reference(State(ops): State<Arc<Ops>>, headers: HeaderMap) -> Response {
    let page = ops.pages.get().map_or("", |pages| pages.docs.as_str());
    let page = page.replace(docs::ORIGIN_PLACEHOLDER, &origin(&headers));
    let headers: [(HeaderName, &str); 2] = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        // The page brings its style and needs nothing else: no scripts, nothing from outside.
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'",
        ),
    ];
    (headers, page).into_response()
}

/// Where the reader reached this service, so that the calls on the page can be copied. The Host is
/// the client's own text: anything that could be more than a host and a port is left out.
fn origin(headers: &HeaderMap) -> String {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let is_plain = |host: &&str| {
        host.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte))
    };
    format!("http://{}", host.filter(is_plain).unwrap_or("127.0.0.1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_host_becomes_part_of_the_page() {
        let origin_of = |host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().unwrap());
            origin(&headers)
        };
        assert_eq!(origin_of("books.example:4100"), "http://books.example:4100");
        assert_eq!(origin_of("[::1]:4100"), "http://[::1]:4100");
        assert_eq!(origin_of("x'; reboot '"), "http://127.0.0.1");
        assert_eq!(origin_of("<script>"), "http://127.0.0.1");
        assert_eq!(origin(&HeaderMap::new()), "http://127.0.0.1");
    }
}
