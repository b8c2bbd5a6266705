//! One node's row, from whatever tells its state.

use super::place::{Home, Placer};
use crate::names;
use crate::rules::{Decision, NamespaceRules, NodeFacts};
use feed::Item;
use journal::{ConsistencyState, Event, FileType, JournalId, NodeState, NodeView, Time, ToldBy};
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{CachedStatement, OptionalExtension, Transaction, params, params_from_iter};
use serde_json::value::RawValue;

/// What is bound for the columns from the mount to the path before: the same in the present book
/// and in a new one.
pub(super) fn state_columns<'a>(
    node: &NodeView<'a>,
    journal_id: JournalId,
) -> [ToSqlOutput<'a>; 21] {
    let author = Author::of(node);
    [
        number(node.backend_mount_id),
        text(node.path),
        text(node.kind.as_str()),
        text(node.state.as_str()),
        number(node.parent_id),
        number(node.version),
        number(node.size_bytes),
        text(node.checksum),
        text(node.content_hash),
        text(node.metadata.get()),
        number(node.observed_at.as_millis()),
        number(node.last_modified_at.map(Time::as_millis)),
        number(journal_id.as_i64()),
        text(author.command),
        text(author.principal),
        text(node.consistency_state.as_str()),
        number(author.checked_at),
        number(author.last_reconciled_at),
        text(author.reason),
        text(author.previous_state),
        text(node.previous_path),
    ]
}

/// What is bound for the columns of what the disk says of a file beside its contents.
pub(super) fn inode_columns<'a>(node: &NodeView<'a>) -> [ToSqlOutput<'a>; 14] {
    let inode = node.inode;
    let small = |value: Option<u32>| number(value.map(i64::from));
    [
        text(inode.file_type.map(FileType::as_str)),
        small(inode.uid),
        small(inode.gid),
        text(inode.user),
        text(inode.group),
        small(inode.mode),
        small(inode.links),
        number(inode.allocated_bytes),
        number(inode.changed_at.map(Time::as_millis)),
        text(node.attributes.map(RawValue::get)),
        text(inode.storage_class),
        number(inode.accessed_at.map(Time::as_millis)),
        text(inode.link_target),
        text(node.object_tags.map(RawValue::get)),
    ]
}

pub(super) fn number(number: impl Into<Option<i64>>) -> ToSqlOutput<'static> {
    ToSqlOutput::Owned(Value::from(number.into()))
}

pub(super) fn text<'a>(text: impl Into<Option<&'a str>>) -> ToSqlOutput<'a> {
    ToSqlOutput::Borrowed(text.into().map_or(ValueRef::Null, ValueRef::from))
}

/// The columns that say who told a node's state.
#[derive(Default)]
struct Author<'a> {
    command: Option<&'a str>,
    principal: Option<&'a str>,
    checked_at: Option<i64>,
    last_reconciled_at: Option<i64>,
    reason: Option<&'a str>,
    previous_state: Option<&'a str>,
}

impl<'a> Author<'a> {
    fn of(node: &NodeView<'a>) -> Self {
        match node.by {
            ToldBy::Command {
                command, principal, ..
            } => Self {
                command: Some(command),
                principal,
                ..Self::default()
            },
            ToldBy::Comparison {
                checked_at,
                last_reconciled_at,
                reason,
                previous_state,
            } => Self {
                checked_at: Some(checked_at.as_millis()),
                last_reconciled_at: last_reconciled_at.map(Time::as_millis),
                reason: Some(reason),
                previous_state,
                ..Self::default()
            },
            ToldBy::Snapshot => Self::default(),
        }
    }
}

/// Statements prepared once a batch.
pub(super) struct NodeWriter<'c> {
    rules: &'c dyn NamespaceRules,
    placer: Placer<'c>,
    /// The largest id that the book has: filestore gives ids out in order, so most new nodes lie
    /// above it and need not be looked for.
    largest: i64,
    /// Up to here names that change are noted for the index of names.
    claimed_to: i64,
    note: CachedStatement<'c>,
    known: CachedStatement<'c>,
    insert: CachedStatement<'c>,
    update: CachedStatement<'c>,
    relocate: CachedStatement<'c>,
    drift: CachedStatement<'c>,
}

/// What the book holds of a node already.
struct Known {
    journal_id: i64,
    home: Home,
    /// Its path and mount are those that are told.
    is_in_place: bool,
    /// The last name of its path is the one that is told.
    has_same_name: bool,
}

impl<'c> NodeWriter<'c> {
    pub(super) fn prepare(
        transaction: &'c Transaction<'_>,
        rules: &'c dyn NamespaceRules,
    ) -> rusqlite::Result<Self> {
        let largest = transaction
            .prepare_cached("SELECT coalesce(max(node_id), 0) FROM filestore_nodes")?
            .query_row([], |row| row.get(0))?;
        Ok(Self {
            rules,
            placer: Placer::prepare(transaction)?,
            largest,
            claimed_to: names::reach(transaction)?.claimed_to,
            note: transaction.prepare_cached(names::NOTE)?,
            known: transaction.prepare_cached(include_str!("../sql/node_known.sql"))?,
            insert: transaction.prepare_cached(include_str!("../sql/node_insert.sql"))?,
            update: transaction.prepare_cached(include_str!("../sql/node_update.sql"))?,
            relocate: transaction.prepare_cached(include_str!("../sql/node_move.sql"))?,
            drift: transaction.prepare_cached(include_str!("../sql/node_drift.sql"))?,
        })
    }

    /// Applies an entry; types that say nothing about a node's state change nothing.
    pub(super) fn apply(&mut self, item: &Item<'_>) -> rusqlite::Result<()> {
        let id = item.id;
        if let Some(node) = item.event.node() {
            return self.write(&node, id, false);
        }
        if let Event::Drift(event) = item.event
            && let Some(node_id) = event.node_id
        {
            let state = ConsistencyState::Inconsistent.as_str();
            self.drift.execute(params![node_id, state, id.as_i64()])?;
        }
        Ok(())
    }

    /// Writes a node's state. Unless it `overrides`, a newer one stays.
    pub(super) fn write(
        &mut self,
        node: &NodeView<'_>,
        journal_id: JournalId,
        overrides: bool,
    ) -> rusqlite::Result<()> {
        let decision = self.rules.decide(&NodeFacts {
            backend_mount_id: node.backend_mount_id,
            path: node.path,
            kind: node.kind,
            metadata: node.metadata,
        });
        let known = self.known(node)?;
        if let Some(known) = &known
            && !overrides
            && known.journal_id >= journal_id.as_i64()
        {
            return Ok(());
        }
        let home = known.as_ref().map(|known| known.home).unwrap_or_default();
        let home = match &decision {
            Decision::Skip => home,
            Decision::Place(place) => {
                self.placer
                    .place(node.node_id, home, place, node.observed_at)?
            }
        };
        self.write_row(node, journal_id, known.as_ref(), home, &decision)
    }

    fn known(&mut self, node: &NodeView<'_>) -> rusqlite::Result<Option<Known>> {
        if node.node_id > self.largest {
            return Ok(None);
        }
        self.known
            .query_row([node.node_id], |row| {
                let path = row.get_ref(3)?.as_str()?;
                Ok(Known {
                    journal_id: row.get(0)?,
                    home: Home {
                        record_id: row.get(1)?,
                        namespace: row.get(2)?,
                    },
                    is_in_place: path == node.path
                        && row.get::<_, i64>(4)? == node.backend_mount_id,
                    has_same_name: names::name(path) == names::name(node.path),
                })
            })
            .optional()
    }

    fn write_row(
        &mut self,
        node: &NodeView<'_>,
        journal_id: JournalId,
        known: Option<&Known>,
        home: Home,
        decision: &Decision<'_>,
    ) -> rusqlite::Result<()> {
        let quarantine_reason = match decision {
            Decision::Skip => None,
            Decision::Place(place) => place.quarantine_reason.as_deref(),
        };
        let is_hidden = node.state == NodeState::Deleted || matches!(decision, Decision::Skip);
        let hidden_at = is_hidden.then_some(node.observed_at.as_millis());
        let (statement, namespace) = match known {
            Some(known) if known.is_in_place && known.home == home => (&mut self.update, None),
            None => (&mut self.insert, Some(number(home.namespace))),
            Some(_) => (&mut self.relocate, Some(number(home.namespace))),
        };
        let row = [number(node.node_id), number(home.record_id)]
            .into_iter()
            .chain(state_columns(node, journal_id))
            .chain([text(quarantine_reason), number(hidden_at)])
            .chain(inode_columns(node))
            .chain(namespace);
        statement.execute(params_from_iter(row))?;
        self.largest = self.largest.max(node.node_id);
        if node.node_id <= self.claimed_to && known.is_none_or(|known| !known.has_same_name) {
            self.note.execute([node.node_id])?;
        }
        Ok(())
    }
}
