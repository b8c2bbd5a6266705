//! A small service, served as the real ones are.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::response::sse::{Event, Sse};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use httpkit::{App, Caller, Json, Limits, Path, Problem, Query, RequestId, Result, Shutdown};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);
pub(crate) const BODY_LIMIT_BYTES: usize = 1000;

/// Signals between a test and the handlers that wait.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    pub(crate) entered: Notify,
    pub(crate) open: Notify,
    /// The body of `/flood` was dropped.
    pub(crate) gone: Notify,
}

struct TellsWhenGone(Arc<Gate>);

impl Drop for TellsWhenGone {
    fn drop(&mut self) {
        self.0.gone.notify_one();
    }
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Book {
    title: String,
    #[serde(default)]
    page_counts: BTreeMap<String, Vec<u32>>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(rename_all = "camelCase", parameter_in = Query)]
struct Filter {
    page_limit: Option<u32>,
    #[serde(default)]
    events: Vec<String>,
}

/// Stores a book.
#[utoipa::path(post, path = "/books", tag = "books", request_body = Book,
    responses((status = 201, body = Book)))]
async fn create(Json(book): Json<Book>) -> (StatusCode, Json<Book>) {
    (StatusCode::CREATED, Json(book))
}

/// Lists books.
#[utoipa::path(get, path = "/books", tag = "books", params(Filter),
    responses((status = 200, body = Filter)))]
async fn list(Query(filter): Query<Filter>) -> Json<Filter> {
    Json(filter)
}

/// Searches books: reads, though it is a POST.
#[utoipa::path(post, path = "/books/search", tag = "books",
    security(("bearer" = ["metastore:read"])), responses((status = 200, body = Value)))]
async fn search() -> Json<Value> {
    Json(Value::Null)
}

/// One book.
#[utoipa::path(get, path = "/books/{id}", tag = "books", params(("id" = i64, Path)),
    responses((status = 200, body = i64)))]
async fn one(Path(id): Path<i64>) -> Json<i64> {
    Json(id)
}

/// Forgets a book.
#[utoipa::path(delete, path = "/books/{id}", tag = "books", params(("id" = i64, Path)),
    security(("bearer" = ["metastore:delete"])), responses((status = 200, body = i64)))]
async fn delete(Path(id): Path<i64>) -> Json<i64> {
    Json(id)
}

/// Who asks, and for which namespace.
#[utoipa::path(get, path = "/whoami/{namespace}", tag = "callers",
    params(("namespace" = String, Path)), responses((status = 200, body = Value)),
    security(("bearer" = ["read"]), ("bearer" = ["metastore:write"])))]
async fn whoami(
    caller: Caller,
    id: RequestId,
    Path(namespace): Path<String>,
) -> Result<Json<Value>> {
    caller.require_namespace(&namespace)?;
    let may_write = caller.require("metastore:write").is_ok();
    let id = id.as_str();
    Ok(Json(
        serde_json::json!({"subject": caller.subject, "mayWrite": may_write, "id": id}),
    ))
}

/// Asks for a scope that its document does not name.
#[utoipa::path(get, path = "/undocumented", tag = "faults", responses((status = 200)))]
async fn undocumented(caller: Caller) -> Result<()> {
    caller.require("metastore:admin")
}

/// Who acts, if somebody else is named.
#[utoipa::path(get, path = "/principal", tag = "callers", responses((status = 200, body = Value)))]
async fn principal(caller: Caller) -> Json<Value> {
    Json(caller.principal(Some("mallory".to_owned())).into())
}

/// A line at once, and then nothing for ever.
#[utoipa::path(get, path = "/endless", tag = "callers", responses((status = 200)))]
async fn endless() -> axum::body::Body {
    let first = futures::stream::iter([Ok::<_, io::Error>("first\n")]);
    axum::body::Body::from_stream(first.chain(futures::stream::pending()))
}

/// Waits for ever.
#[utoipa::path(get, path = "/long-poll", tag = "callers", responses((status = 200)))]
async fn long_poll() {
    std::future::pending::<()>().await;
}

#[utoipa::path(get, path = "/panic", tag = "faults", responses((status = 200)))]
async fn panics() {
    panic!("the secret is 42");
}

#[utoipa::path(get, path = "/fails", tag = "faults", responses((status = 200)))]
async fn fails() -> Result<()> {
    Err(Problem::internal(&io::Error::other(
        "the database password is wrong",
    )))
}

#[utoipa::path(get, path = "/plain", tag = "faults", responses((status = 200)))]
async fn plain() -> (StatusCode, &'static str) {
    (StatusCode::BAD_GATEWAY, "upstream 10.0.0.7 said no")
}

#[utoipa::path(get, path = "/stalled", tag = "faults", responses((status = 200)))]
async fn stalled() -> (StatusCode, Json<Value>) {
    (
        StatusCode::SERVICE_UNAVAILABLE,
        Json(serde_json::json!({"status": "stalled"})),
    )
}

#[utoipa::path(get, path = "/overloaded", tag = "faults", responses((status = 200)))]
async fn overloaded() -> Problem {
    Problem::too_many("64 requests wait already").retry_after(3)
}

#[utoipa::path(get, path = "/busy", tag = "faults", responses((status = 200)))]
async fn busy() -> StatusCode {
    StatusCode::SERVICE_UNAVAILABLE
}

/// Waits until the test opens the gate.
#[utoipa::path(get, path = "/slow", tag = "waits", responses((status = 200)))]
async fn slow(State(gate): State<Arc<Gate>>) -> &'static str {
    gate.entered.notify_one();
    gate.open.notified().await;
    "done"
}

/// Waits for news, or for the end.
#[utoipa::path(get, path = "/poll", tag = "waits", responses((status = 200)))]
async fn poll(State(gate): State<Arc<Gate>>, shutdown: Shutdown) -> &'static str {
    gate.entered.notify_one();
    tokio::select! {
        () = gate.open.notified() => "news",
        () = shutdown.requested() => "nothing yet",
    }
}

#[utoipa::path(get, path = "/events", tag = "waits", responses((status = 200)))]
async fn events() -> Sse<impl Stream<Item = std::result::Result<Event, Infallible>>> {
    let first = stream::iter([Ok(Event::default().data("hello"))]);
    Sse::new(first.chain(stream::pending()))
}

#[utoipa::path(get, path = "/lines", tag = "waits", responses((status = 200)))]
async fn lines(Query(count): Query<BTreeMap<String, usize>>) -> Response {
    let good = count.get("good").copied().unwrap_or(0);
    let lines = (0..good).map(|line| Ok(Bytes::from(format!("{{\"line\":{line}}}\n"))));
    let fault = count
        .contains_key("fault")
        .then(|| Err(io::Error::other("the disk is gone")));
    httpkit::ndjson(stream::iter(lines.chain(fault)))
}

/// Answers for ever, as fast as it is read.
#[utoipa::path(get, path = "/flood", tag = "waits", responses((status = 200)))]
async fn flood(State(gate): State<Arc<Gate>>) -> Response {
    static PIECE: [u8; 65_536] = [b'x'; 65_536];
    let held = TellsWhenGone(gate);
    let pieces = stream::repeat_with(move || {
        let _held_by_the_body = &held;
        Ok::<_, Infallible>(Bytes::from_static(&PIECE))
    });
    Response::new(axum::body::Body::from_stream(pieces))
}

/// Takes a body of any length, as a stream, and counts it.
#[utoipa::path(put, path = "/upload", tag = "waits", responses((status = 200)))]
async fn upload(body: axum::body::Body) -> Result<String> {
    let mut data = body.into_data_stream();
    let mut length = 0;
    while let Some(piece) = data.next().await {
        length += piece
            .map_err(|_| Problem::bad_request(httpkit::Code::InvalidRequest, "broke off"))?
            .len();
    }
    Ok(length.to_string())
}

/// A service of the three, for its scopes, with little in it.
pub(crate) fn app(gate: &Arc<Gate>) -> App {
    let router = OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(search))
        .routes(routes!(one, delete))
        .routes(routes!(whoami))
        .routes(routes!(undocumented))
        .routes(routes!(principal))
        .routes(routes!(endless))
        .routes(routes!(long_poll))
        .routes(routes!(panics))
        .routes(routes!(fails))
        .routes(routes!(plain))
        .routes(routes!(stalled))
        .routes(routes!(overloaded))
        .routes(routes!(busy))
        .routes(routes!(slow))
        .routes(routes!(poll))
        .routes(routes!(events))
        .routes(routes!(lines))
        .routes(routes!(flood))
        .merge(
            OpenApiRouter::new()
                .routes(routes!(upload))
                .layer(DefaultBodyLimit::disable()),
        )
        .with_state(Arc::clone(gate));
    App::new("metastore", "A small service", router).body_limit(BODY_LIMIT_BYTES)
}

/// A service on a port of its own, stopped with the test's runtime.
pub(crate) struct Served {
    url: String,
    pub(crate) client: reqwest::Client,
    pub(crate) stop: CancellationToken,
    pub(crate) task: JoinHandle<io::Result<()>>,
}

impl Served {
    pub(crate) async fn start() -> Self {
        Self::of(app(&Arc::default())).await
    }

    pub(crate) async fn of(app: App) -> Self {
        Self::within(Limits::default(), app).await
    }

    pub(crate) async fn within(limits: Limits, app: App) -> Self {
        let listener = httpkit::bind("127.0.0.1", 0, false).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let task = tokio::spawn(httpkit::serve_within(
            limits,
            listener,
            app.into_router(),
            stop.clone(),
        ));
        Self {
            url,
            client: reqwest::Client::new(),
            stop,
            task,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    pub(crate) fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    pub(crate) fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.get(self.url(path))
    }

    pub(crate) fn post(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.post(self.url(path))
    }
}

/// The problem document of an answer that must be one.
pub(crate) async fn problem(request: reqwest::RequestBuilder, status: u16) -> Value {
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), status);
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    let id = response.headers()["x-request-id"]
        .to_str()
        .unwrap()
        .to_owned();
    let document: Value = response.json().await.unwrap();
    assert_eq!(document["status"], status);
    assert_eq!(document["instance"], format!("urn:tidemark:request:{id}"));
    let apphub_code = document["error"]["code"].as_str().unwrap();
    assert_eq!(apphub_code, apphub_code.to_ascii_uppercase());
    assert_eq!(document["error"]["message"], document["detail"]);
    assert_eq!(document["message"], document["detail"]);
    document
}
