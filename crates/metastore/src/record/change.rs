//! What is told to those who watch records change (`GET /stream/records`).
//!
//! People's writes only: a million files that a scan finds are in filestore's own event stream.
//! Whoever watches too slowly misses changes, and is told how many.

use super::Record;
use journal::Time;
use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::broadcast;

/// Most changes that a slow watcher may be behind.
const BACKLOG: usize = 1_024;

/// What happened to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Action {
    Created,
    Updated,
    Deleted,
}

impl Action {
    /// The event's type in the stream.
    pub(crate) const fn event(self) -> &'static str {
        match self {
            Self::Created => "metastore.record.created",
            Self::Updated => "metastore.record.updated",
            Self::Deleted => "metastore.record.deleted",
        }
    }
}

/// One change.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Changed {
    #[serde(skip)]
    pub(crate) id: u64,
    #[serde(skip)]
    pub(crate) action: Action,
    pub(crate) namespace: String,
    pub(crate) key: String,
    pub(crate) version: i64,
    pub(crate) occurred_at: Time,
    pub(crate) updated_at: Time,
    pub(crate) deleted_at: Option<Time>,
    pub(crate) actor: Option<String>,
    /// `soft` or `hard`, for deletions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mode: Option<&'static str>,
}

/// Where changes are told. Telling never waits.
#[derive(Debug)]
pub(crate) struct Changes {
    sender: broadcast::Sender<Changed>,
    next_id: AtomicU64,
}

impl Default for Changes {
    fn default() -> Self {
        Self {
            sender: broadcast::Sender::new(BACKLOG),
            next_id: AtomicU64::new(1),
        }
    }
}

impl Changes {
    /// Tells of a change that is committed.
    pub(crate) fn tell(
        &self,
        action: Action,
        mode: Option<&'static str>,
        record: &Record,
        actor: Option<String>,
        at: Time,
    ) {
        let changed = Changed {
            id: self.next_id.fetch_add(1, Ordering::Relaxed),
            action,
            namespace: record.namespace.clone(),
            key: record.key.clone(),
            version: record.version,
            occurred_at: at,
            updated_at: record.updated_at,
            deleted_at: record.deleted_at,
            actor,
            mode,
        };
        // Nobody watching is the usual case.
        let _ = self.sender.send(changed);
    }

    pub(crate) fn watch(&self) -> broadcast::Receiver<Changed> {
        self.sender.subscribe()
    }
}
