//! The HTTP edge, once: problem documents, extractors, tokens, health, metrics, serving.
//!
//! A service writes thin handlers and a `utoipa_axum` router; [`App`] turns that router into what
//! is served:
//!
//! ```text
//! request ─▶ edge (request id, span, metrics, one log line, problem+json for every error)
//!          ─▶ panics ─▶ deadline ─▶ body limit ─▶ tokens and origin ─▶ handler
//! ```
//!
//! Beside the service's own routes an [`App`] answers `/healthz`, `/readyz`, `/metrics`,
//! `/openapi.json` and `/docs`. [`bind`] and [`serve()`] put it on a listener and take it down
//! without cutting off requests.
//!
//! What holds for every answer: an error is `application/problem+json` with a code of the closed
//! list [`Code`]; a 5xx never shows internals, which are logged once at the edge.
//!
//! Deliberately not here: anything that knows one of the three services.
//!
//! Start with [`App`] and [`Problem`].

mod app;
mod authorize;
mod caller;
mod codes;
pub mod conditions;
mod connection;
mod cursor;
mod deadline;
mod disposition;
mod docs;
mod edge;
mod extract;
mod header;
mod integrity;
pub mod json;
mod media;
pub mod metric;
mod openapi;
mod ops;
mod problem;
mod refused;
mod respond;
mod revoked;
mod serve;
mod tokens;

pub use app::App;
pub use caller::Caller;
pub use codes::Code;
pub use connection::Limits;
pub use cursor::Cursor;
pub use disposition::attachment;
pub use edge::RequestId;
pub use extract::{Json, Path, Query};
pub use header::{header, header_list};
pub use integrity::{Finding, Integrity};
pub use media::{accepted, content_type, takes_encoding};
pub use problem::{FieldError, Problem, Result};
pub use respond::ndjson;
pub use serve::{BindError, Shutdown, bind, serve, serve_within};
pub use tokens::{PathRule, Paths, Tokens, TokensError, Vocabulary};
