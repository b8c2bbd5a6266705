//! The timestore from outside: its sink, its REST API, its file.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail like tests"
)]

mod support;

mod activity;
mod durability;
mod growth;
mod ingest;
mod openapi;
mod questions;
mod sandbox;
mod saved;
mod sink;
mod snapshot;
