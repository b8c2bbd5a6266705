//! The raw engines: the same rows into the same tables with the same settings, and nothing else.
//!
//! Rows are in memory before the clock runs, in chunks, so that ten million of them need no more
//! memory than a hundred thousand: only the time in the engine counts.

pub(crate) mod append;
pub(crate) mod growth;
pub(crate) mod insert;
pub(crate) mod list;
mod sqlite;
pub(crate) mod upload;
pub(crate) mod upsert;
pub(crate) mod usage;
pub(crate) mod walk;

/// Rows in a transaction: the consumer's batch when it is behind.
const BATCH: usize = 4_000;
