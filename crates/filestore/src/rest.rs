//! The HTTP API: thin handlers over commands, mounts, the catalogue and the journal.
//!
//! Answers are wrapped as `{"data": …}`. Blocking work runs on tokio's blocking threads, at most so
//! many at once; a command whose client goes away still runs to its end.

mod changes;
mod compact;
mod consumers;
mod content;
mod directories;
mod events;
mod files;
mod filters;
mod form;
mod integrity;
mod journal;
mod mounts;
mod nodes;
mod params;
mod presign;
mod problem;
mod purge;
mod range;
mod reconciliation;
mod scans;
mod snapshot;
mod upload;

use crate::Filestore;
use crate::command::{Actor, Answer, CommandError, Commands};
use crate::view::RollupView;
use ::journal::NodeKind;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use catalogue::ReadTx;
use catalogue::StoreError;
use httpkit::{Json, Problem};
use serde::Serialize;
use serde_json::Value;
use std::ops::Deref;
use std::sync::Arc;
use tokio::sync::Semaphore;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

const JOURNAL_ID: HeaderName = HeaderName::from_static("tidemark-journal-id");
const EPOCH: HeaderName = HeaderName::from_static("tidemark-epoch");
const HEAD: HeaderName = HeaderName::from_static("tidemark-head");
const TRIMMED: HeaderName = HeaderName::from_static("tidemark-trimmed");
const AFTER_DIGEST: HeaderName = HeaderName::from_static("tidemark-after-digest");
const DIGEST: HeaderName = HeaderName::from_static("tidemark-digest");

/// Commands that run at once; the next ones wait.
const COMMANDS: usize = 64;

/// Questions that are answered at once; the next ones wait.
const READS: usize = 16;

/// Event streams at once; the next client is refused.
const STREAMS: usize = 512;

/// What every command takes in its head.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it describes what `Actor::from_request` reads")]
struct CommandHeaders {
    /// The same key has one effect, and the same answer. `X-Idempotency-Key`, or `idempotencyKey`
    /// in the body, will do too.
    #[param(rename = "Idempotency-Key")]
    idempotency_key: Option<String>,
    /// On whose behalf. With tokens it is the token's subject, whatever this says, unless the token
    /// has the scope `filestore:impersonate`. `X-Request-Principal` will do too.
    #[param(rename = "X-Filestore-Principal")]
    principal: Option<String>,
}

type State = axum::extract::State<Arc<Rest>>;

/// Every answer but streams.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Data<T> {
    /// The answer itself.
    data: T,
}

fn data<T: Serialize>(data: T) -> Json<Data<T>> {
    Json(Data { data })
}

/// What the handlers share: the filestore, and how much may go on at once.
#[derive(Debug)]
struct Rest {
    filestore: Arc<Filestore>,
    commands: Arc<Semaphore>,
    reads: Arc<Semaphore>,
    streams: Arc<Semaphore>,
}

impl Deref for Rest {
    type Target = Filestore;

    fn deref(&self) -> &Filestore {
        &self.filestore
    }
}

impl Filestore {
    /// The routes of the API, for `httpkit::App`.
    pub fn router(self: &Arc<Self>) -> OpenApiRouter {
        let rest = Rest {
            filestore: Arc::clone(self),
            commands: Arc::new(Semaphore::new(COMMANDS)),
            reads: Arc::new(Semaphore::new(READS)),
            streams: Arc::new(Semaphore::new(STREAMS)),
        };
        OpenApiRouter::new()
            .routes(routes!(mounts::list, mounts::create))
            .routes(routes!(mounts::get, mounts::update))
            .routes(routes!(scans::start))
            .routes(routes!(purge::purge))
            .routes(routes!(scans::get, scans::cancel))
            .routes(routes!(reconciliation::start))
            .routes(routes!(reconciliation::list))
            .routes(routes!(reconciliation::get, reconciliation::cancel))
            .routes(routes!(directories::create))
            .routes(routes!(files::upload).layer(DefaultBodyLimit::disable()))
            .routes(routes!(content::download))
            .routes(routes!(presign::presign))
            .routes(routes!(nodes::list, changes::delete))
            .routes(routes!(nodes::get))
            .routes(routes!(nodes::children))
            .routes(routes!(nodes::by_path))
            .routes(routes!(changes::relocate))
            .routes(routes!(changes::copy))
            .routes(routes!(changes::patch_metadata))
            .routes(routes!(journal::read))
            .routes(routes!(consumers::list))
            .routes(routes!(consumers::forget))
            .routes(routes!(consumers::trim))
            .routes(routes!(integrity::check))
            .routes(routes!(snapshot::read))
            .routes(routes!(events::stream))
            .with_state(Arc::new(rest))
    }
}

impl Rest {
    /// Reads the catalogue on a blocking thread.
    async fn query<T: Send + 'static>(
        &self,
        query: impl FnOnce(&ReadTx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Problem> {
        self.read_blocking(move |filestore| {
            filestore
                .catalogue
                .read(query)
                .map_err(problem::of_catalogue)
        })
        .await
    }

    async fn read_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Filestore) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let filestore = Arc::clone(&self.filestore);
        blocking(&self.reads, move || work(&filestore)).await
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Filestore) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let filestore = Arc::clone(&self.filestore);
        blocking(&self.commands, move || work(&filestore)).await
    }

    /// Runs a command, and answers as the contract says: 201 for what is new, if it makes
    /// something, 200 otherwise. A file that is overwritten is nothing new.
    async fn command(
        &self,
        created: StatusCode,
        command: impl FnOnce(&Commands) -> Result<Answer, CommandError> + Send + 'static,
    ) -> Result<Response, Problem> {
        let answer = self
            .write(move |filestore| Ok(command(&filestore.commands)?))
            .await;
        let mut answer = answer?;
        if let Some(node) = &mut answer.node
            && node.kind == NodeKind::Directory
        {
            let id = node.id;
            // It is known once the command is committed; a read that fails does not undo that.
            let rollup = self.query(move |tx| catalogue::rollups::of(tx, id));
            let rollup = rollup.await.unwrap_or_default();
            node.rollup = rollup.map(|rollup| RollupView::of(id, rollup));
        }
        let is_overwritten = answer.result.get("overwritten") == Some(&Value::Bool(true));
        let status = if answer.idempotent || is_overwritten {
            StatusCode::OK
        } else {
            created
        };
        let journal_id = [(JOURNAL_ID, HeaderValue::from(answer.journal_entry_id))];
        Ok((status, journal_id, data(answer)).into_response())
    }
}

async fn blocking<T: Send + 'static>(
    slots: &Arc<Semaphore>,
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let slot = Arc::clone(slots)
        .acquire_owned()
        .await
        .map_err(|error| Problem::internal(&error))?;
    let done = tokio::task::spawn_blocking(move || {
        let _slot = slot;
        work()
    });
    done.await.map_err(|error| Problem::internal(&error))?
}

impl Actor {
    /// From the headers, and from the body where it has a key.
    fn from_request(
        headers: &axum::http::HeaderMap,
        caller: &httpkit::Caller,
        body_key: Option<String>,
    ) -> Result<Self, Problem> {
        let header = |names: [&str; 2]| -> Result<Option<String>, Problem> {
            let values = names.map(|name| httpkit::header(headers, name));
            let mut given = None;
            for value in values {
                given = given.or(value?.filter(|value| !value.is_empty()));
            }
            Ok(given.map(str::to_owned))
        };
        let key_of_header = header(["idempotency-key", "x-idempotency-key"])?;
        let key = body_key.or(key_of_header);
        if key.as_ref().is_some_and(|key| key.len() > 512) {
            return Err(Problem::invalid("/idempotencyKey", "use at most 512 bytes"));
        }
        let named = header(["x-filestore-principal", "x-request-principal"])?;
        Ok(Self {
            idempotency_key: key,
            principal: caller.principal(named),
        })
    }
}
