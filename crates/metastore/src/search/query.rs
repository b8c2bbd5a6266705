//! What is searched for: namespaces, filter, order, page.

use super::access::{Best, best};
use super::compile::Statement;
use super::cursor::Cursor;
use super::field::JsonField;
use super::filter::Filter;
use super::order::Order;
use std::sync::Arc;

/// What to search for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query {
    /// `None` for all.
    pub(crate) namespaces: Option<Vec<String>>,
    pub(crate) filter: Option<Filter>,
    /// `None` for no order that was asked for: as it is found by a walk, else as [`Order::new`] says.
    pub(crate) order: Option<Order>,
    pub(crate) includes_deleted: bool,
    pub(crate) limit: u32,
    pub(crate) offset: u64,
    /// Go on behind this.
    pub(crate) after: Option<Cursor>,
    /// Count all, however many there are.
    pub(crate) counts_all: bool,
    /// The fields of the metadata that are indexed.
    pub(crate) indexed: Arc<[JsonField]>,
}

impl Query {
    /// The condition that the search begins with, if an index answers one.
    pub(super) fn best(&self) -> Option<Best<'_>> {
        best(self.filter.as_ref(), &self.indexed)
    }

    /// Appends what must hold besides, of `r` and `n`.
    pub(super) fn matching(&self, sql: &mut Statement) {
        if !self.includes_deleted {
            sql.push(" AND r.deleted_at IS NULL AND n.deleted_at IS NULL");
        }
        if let Some(filter) = &self.filter {
            sql.push(" AND (");
            sql.filter(filter);
            sql.push(")");
        }
    }
}
