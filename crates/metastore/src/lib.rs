//! Where it lands (1): what people say about files, beside what the journal says of them.
//!
//! A record has two authors. People write metadata, tags and an owner through REST; the sync
//! writes where the node is and what state it is in. The two are kept in tables of their own
//! (`records`, `filestore_nodes`), shown as one record, and searched as one.
//!
//! ```text
//! consumer ──▶ Sink ──▶ filestore_nodes ─┐
//!                                        ├──▶ records, search, audit, namespaces ──▶ REST
//! people ───▶ REST ───▶ records ─────────┘
//! ```
//!
//! What holds:
//!
//! * The sync never changes tags, owner or a person's metadata, and a person's write never the
//!   sync's part; `version` counts people's writes only.
//! * Effects and checkpoint commit in one transaction.
//! * A node that nobody has said anything about has no row in `records`. Its record is shown from the
//!   node, and gets a row with the first write.
//! * A record follows its node: by moves, by namespace rules, into deletion and back.
//! * Every write to a person's part is in the audit with the whole before and after it.
//!
//! Deliberately not here: filestore and its journal's store, consumers (see `feed`), timestore,
//! and completeness headers, health and dead-letter routes, which `feed::rest` adds when wired.
//!
//! Start with [`Metastore`].

mod db;
mod db_threads;
mod digest;
mod integrity;
mod names;
mod namespaces;
mod node;
mod record;
mod rest;
mod rules;
mod search;
mod sink;
mod store;
mod words;

pub use digest::BookDigest;
pub use node::Node;
pub use record::Record;
pub use rules::{
    Action, Decision, Match, NamespaceRules, NodeFacts, Placement, Rule, RuleError, RuleSet,
    RulesConfig, SYNC_ACTOR,
};
pub use search::SearchPreset;
pub use sink::Sink;
pub use store::{Metastore, OpenError, Options, Rules};
