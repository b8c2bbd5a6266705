//! What flows: journal ids, envelopes, the typed event catalogue, and the contract by which a
//! journal is read.
//!
//! The journal is filestore's append-only log. One [`Entry`] is one fact about one node (or one
//! completed command, one drift, one reconciliation job). Its `data` travels as raw JSON from the
//! transaction that wrote it to the sink that applies it; [`Event::decode`] gives it types without
//! copying what it can borrow.
//!
//! Two things make alignment provable. Journal ids are dense and increasing from 1, so a gap is an
//! error and never a guess. Every entry carries a chained [`Digest`], so equal ids with unequal
//! digests are two histories ([`chain`]).
//!
//! Deliberately not here: async runtimes, databases, HTTP. The [`JournalReader`] contract blocks;
//! `filestore` implements it in process, `feed` over HTTP, and both pass [`conformance`].
//!
//! Start with [`Entry`] and [`JournalReader`].

pub mod chain;
pub mod compare;
pub mod conformance;
mod entry;
mod event;
mod id;
mod inode;
mod mark;
mod node;
mod reader;
mod text;
mod time;
mod words;

pub use chain::{ChainError, Digest};
pub use entry::{Entry, Envelope, EnvelopeEvent};
pub use event::{
    CommandCompleted, DecodeError, DriftDetected, Event, EventType, NodeDownloaded, NodeEvent,
    NodeReconciled, ReconciliationJob,
};
pub use id::{Epoch, JournalId};
pub use inode::{ChangedFacts, Fact, Inode, PreviousOwner, extension};
pub use mark::Mark;
pub use node::{NodeView, SnapshotInode, SnapshotJson, SnapshotNode, ToldBy};
pub use reader::{JournalReader, Page, Position, ReadError, Snapshot};
pub use text::Text;
pub use time::{Clock, SystemClock, Time};
pub use words::{ConsistencyState, FileType, JobStatus, NodeKind, NodeState, ReconcileReason};
