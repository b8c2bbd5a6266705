//! What the activity tells: growth, churn, the largest, the past.
//!
//! Each question is a SQL template of this crate with named parameters; what a request chooses
//! (a bucket, a grouping) picks among fixed texts. A prefix is of whole components: `a/b` means
//! `a/b` and what is below it, not `a/bc`. A node that moves out of a prefix counts as removed
//! there and one that moves in as added.

mod churn;
mod duplicates;
mod growth;
mod nodes;
mod owner;
mod page;
mod past;
mod scope;
mod top;
mod usage;

pub(crate) use churn::ChurnQuery;
pub(crate) use duplicates::DuplicatesQuery;
pub(crate) use growth::GrowthQuery;
pub(crate) use nodes::stream_nodes;
pub(crate) use owner::{GROUP, USER};
pub(crate) use page::{Key, PageQuery, next_cursor};
pub(crate) use past::{AsOf, AsOfQuery, as_of, reconciliation, timeline};
pub(crate) use scope::{Scope, ScopeQuery, limit};
pub(crate) use top::{MODIFIED, TopQuery};
pub(crate) use usage::{BySource, UsageQuery};

use duckdb::types::Value;
use std::collections::HashMap;

/// A statement of this crate, and the values of its named parameters.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) sql: String,
    pub(crate) params: HashMap<String, Value>,
    /// How many rows the answer may have; the statement itself allows one more.
    pub(crate) limit: usize,
    /// It reads the sums by hour: `$summed` is the last entry in them.
    pub(crate) reads_hours: bool,
    /// It may be answered from sums.
    pub(crate) by_source: Option<BySource>,
    pub(crate) pages: Pages,
}

impl Question {
    /// One that reads the rows.
    pub(crate) const fn of_rows(
        sql: String,
        params: HashMap<String, Value>,
        limit: usize,
        pages: Pages,
    ) -> Self {
        Self {
            sql,
            params,
            limit,
            reads_hours: false,
            by_source: None,
            pages,
        }
    }
}

/// How an answer goes on after its last row.
#[derive(Clone, Debug)]
pub(crate) enum Pages {
    /// It does not.
    None,
    /// In the order of these columns.
    Kept(Vec<Key>),
    /// In the order of these columns, and of the state at an entry: `$head` is the last one that is
    /// read, this one or, on the first page, the last there is.
    Pinned(Vec<Key>, Option<i64>),
}

/// What a row's node weighs on disk, in bytes. Differences and sums of it may have more than 64 bits.
pub(crate) const WEIGHT: &str = "(CASE WHEN state IN ('active', 'inconsistent') \
     THEN coalesce(size_bytes, 0) ELSE 0 END)::HUGEINT";

/// The same in files.
pub(crate) const COUNT: &str = "(kind = 'file' AND state IN ('active', 'inconsistent'))::BIGINT";

/// The mount of a row's node, and the one before.
pub(crate) const MOUNT: &str = "backend_mount_id";
pub(crate) const OLD_MOUNT: &str = "coalesce(previous_backend_mount_id, backend_mount_id)";

pub(crate) fn text(value: impl Into<String>) -> Value {
    Value::Text(value.into())
}

pub(crate) fn integer(value: usize) -> Value {
    Value::BigInt(i64::try_from(value).unwrap_or(i64::MAX))
}
