//! How changes flow: the journal decides, the bus only wakes.
//!
//! ```text
//! journal ──▶ Publisher ──▶ Bus (inline │ Redis) ──signal──▶ Consumer ──▶ Sink
//!    ▲                                                          │
//!    └────────────────── read (after, limit) ◀──────────────────┘
//! ```
//!
//! A [`Consumer`](consumer::Consumer) reads the journal after its checkpoint and applies batches
//! to a [`Sink`], which commits effects and checkpoint in one transaction. It is right with the
//! bus switched off; a signal only makes it look sooner than its timer.
//!
//! Deliberately not here: SQLite and DuckDB (a sink brings its own store), and the journal's own
//! store. Only this crate names Redis.
//!
//! Start with [`Sink`] and [`consumer`].

pub mod bus;
pub mod consumer;
mod dead_letter;
mod http_reader;
pub mod memory;
mod metric;
pub mod publisher;
pub mod rebuild;
pub mod rest;
mod sink;
mod status;

pub use dead_letter::DeadLetter;
pub use http_reader::HttpJournalReader;
pub use sink::{Batch, Begun, Checkpoint, Item, SharedReader, Sink, SinkError};
pub use status::{BusState, ConsumerState, ConsumerStatus};
