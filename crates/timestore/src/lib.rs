//! Where changes land (2): datasets over time, in one DuckDB file.
//!
//! ```text
//! REST ingest ─┐
//!              ├─▶ pipeline ──one transaction──▶ DuckDB ◀── readers (clones, bounded time)
//! journal ─────┘   (Arrow batches, checkpoint)              │
//!   (sink)                                                  ├─ query, growth, churn, …
//!                                                           └─ a person's SQL (sandbox)
//! ```
//!
//! One process may have the file open, so one owner thread writes and everyone else reads through
//! connections of the same process; other processes come through the REST API. What the journal
//! tells lands in the dataset `filestore_activity`, one row an entry, through the same pipeline as
//! every other dataset; its checkpoint commits with the rows.
//!
//! Deliberately not here: following the journal (`feed`), HTTP's edge (`httpkit`), and what the
//! other two services know.
//!
//! Start with [`Timestore`]; the activity's columns are in [`activity`].

pub mod activity;
mod catalogue;
mod datasets;
mod encode;
mod error;
mod ingest;
mod inner;
mod kind;
mod metric;
mod options;
mod pipeline;
mod query;
mod questions;
mod rest;
mod retention;
mod sandbox;
mod schema;
mod sight;
mod sink;
mod statement;
mod store;
mod timestore;
mod usage;
mod words;

pub use duckdb::arrow;
pub use error::{Error, Refusal};
pub use options::Options;
pub use sight::may_see;
pub use sink::ActivitySink;
pub use timestore::Timestore;
