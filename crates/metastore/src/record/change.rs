//! What is told to those who watch records change (`GET /stream/records`).
//!
//! People's writes only: a million files that a scan finds are in filestore's own event stream.
//! The audit tells them, by its ids, so whoever comes back with the last id misses none. A purge
//! takes a record's audit along, and leaves a row of its own.

use journal::Time;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;

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

/// How a record was deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// It can be restored.
    Soft,
    /// It was purged.
    Hard,
}

/// One change.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Changed {
    #[serde(skip)]
    pub(crate) id: i64,
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
    pub(crate) mode: Option<Mode>,
}

impl Changed {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let (action, mode) = match row.get_ref(1)?.as_str()? {
            "create" => (Action::Created, None),
            "delete" => (Action::Deleted, Some(Mode::Soft)),
            "purge" => (Action::Deleted, Some(Mode::Hard)),
            _ => (Action::Updated, None),
        };
        let at = Time::from_millis(row.get(5)?);
        Ok(Self {
            id: row.get(0)?,
            action,
            namespace: row.get(2)?,
            key: row.get(3)?,
            version: row.get(4)?,
            occurred_at: at,
            updated_at: at,
            deleted_at: mode.map(|_| at),
            actor: row.get(6)?,
            mode,
        })
    }
}

/// The id of the last change; no later one gets a smaller id.
pub(crate) fn head(connection: &Connection) -> rusqlite::Result<i64> {
    let head = connection
        .prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'record_audit'")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(head.unwrap_or(0))
}

/// Changes after `after`, at most so many, and the id up to which they are all.
pub(crate) fn page(
    connection: &Connection,
    after: i64,
    limit: u32,
) -> rusqlite::Result<(Vec<Changed>, i64)> {
    let head = head(connection)?;
    let changes = connection
        .prepare_cached(include_str!("../sql/changes_page.sql"))?
        .query_map(params![after, head, limit], Changed::from_row)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let is_full = changes.len() >= limit as usize;
    let reached = changes.last().filter(|_| is_full).map(|change| change.id);
    Ok((changes, reached.unwrap_or(head)))
}
