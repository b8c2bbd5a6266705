//! One node's row, from whatever tells its state.

use super::place::Placer;
use crate::names;
use crate::rules::{Decision, NamespaceRules, NodeFacts};
use feed::Item;
use journal::{
    ConsistencyState, Event, EventType, JournalId, NodeEvent, NodeKind, NodeReconciled, NodeState,
    Time,
};
use rusqlite::{CachedStatement, OptionalExtension, Transaction, params};
use serde_json::value::RawValue;

/// A node's whole state as an entry or a snapshot tells it; text borrows from there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told<'a> {
    pub(super) node_id: i64,
    pub(super) backend_mount_id: i64,
    pub(super) path: &'a str,
    pub(super) kind: NodeKind,
    pub(super) state: NodeState,
    pub(super) parent_id: Option<i64>,
    pub(super) version: i64,
    pub(super) size_bytes: Option<i64>,
    pub(super) checksum: Option<&'a str>,
    pub(super) content_hash: Option<&'a str>,
    pub(super) metadata: &'a RawValue,
    pub(super) observed_at: Time,
    pub(super) last_modified_at: Option<Time>,
    pub(super) journal_id: JournalId,
    pub(super) previous_path: Option<&'a str>,
    /// The command and the principal, where a command did it.
    pub(super) command: Option<(&'a str, Option<&'a str>)>,
    pub(super) consistency_state: ConsistencyState,
    /// The comparison with the disk, where one did it.
    pub(super) checked: Option<Checked<'a>>,
}

/// How a comparison with the disk went.
#[derive(Clone, Copy, Debug)]
pub(super) struct Checked<'a> {
    pub(super) at: Time,
    pub(super) last_reconciled_at: Option<Time>,
    pub(super) reason: &'a str,
    pub(super) previous_state: Option<&'a str>,
}

impl<'a> Told<'a> {
    /// What an entry tells of a node's state, if it tells one.
    pub(super) fn of(item: &Item<'a>) -> Option<Self> {
        match item.event {
            Event::Node(event) => Some(Self::by_command(
                item.entry.id,
                &item.entry.event_type,
                event,
            )),
            Event::Reconciled(event) => Some(Self::by_reconciling(item.entry.id, event)),
            _ => None,
        }
    }

    fn by_command(id: JournalId, event_type: &EventType, event: &'a NodeEvent<'a>) -> Self {
        let state = match event_type {
            EventType::NodeDeleted => NodeState::Deleted,
            _ => event.state,
        };
        Self {
            node_id: event.node_id,
            backend_mount_id: event.backend_mount_id,
            path: &event.path,
            kind: event.kind,
            state,
            parent_id: event.parent_id,
            version: event.version,
            size_bytes: event.size_bytes,
            checksum: event.checksum.as_deref(),
            content_hash: event.content_hash.as_deref(),
            metadata: event.metadata,
            observed_at: event.observed_at,
            last_modified_at: event.last_modified_at,
            journal_id: id,
            previous_path: event.previous_path.as_deref(),
            command: Some((&event.command, event.principal.as_deref())),
            consistency_state: consistency_of(state),
            checked: None,
        }
    }

    fn by_reconciling(id: JournalId, event: &'a NodeReconciled<'a>) -> Self {
        Self {
            node_id: event.node_id,
            backend_mount_id: event.backend_mount_id,
            path: &event.path,
            kind: event.kind,
            state: event.state,
            parent_id: event.parent_id,
            version: event.version,
            size_bytes: event.size_bytes,
            checksum: event.checksum.as_deref(),
            content_hash: event.content_hash.as_deref(),
            metadata: event.metadata,
            observed_at: event.observed_at,
            last_modified_at: event.last_modified_at,
            journal_id: id,
            previous_path: event.previous_path.as_deref(),
            command: None,
            consistency_state: event.consistency_state,
            checked: Some(Checked {
                at: event.consistency_checked_at,
                last_reconciled_at: event.last_reconciled_at,
                reason: event.reason.as_str(),
                previous_state: event.previous_state.as_deref(),
            }),
        }
    }
}

/// What a state says about the last comparison, where no comparison speaks for itself.
pub(super) const fn consistency_of(state: NodeState) -> ConsistencyState {
    match state {
        NodeState::Missing => ConsistencyState::Missing,
        NodeState::Inconsistent => ConsistencyState::Inconsistent,
        NodeState::Active | NodeState::Deleted => ConsistencyState::Active,
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
    record_id: Option<i64>,
    /// Its record is in the namespace that the rules give the node now.
    is_placed: bool,
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
        let id = item.entry.id;
        match item.event {
            Event::Node(event) => {
                self.tell(&Told::by_command(id, &item.entry.event_type, event), false)
            }
            Event::Reconciled(event) => self.tell(&Told::by_reconciling(id, event), false),
            Event::Drift(event) => match event.node_id {
                Some(node_id) => {
                    let state = ConsistencyState::Inconsistent.as_str();
                    self.drift
                        .execute(params![node_id, state, id.as_i64()])
                        .map(|_| ())
                }
                None => Ok(()),
            },
            Event::Command(_) | Event::Job(_) | Event::Downloaded(_) | Event::Other => Ok(()),
        }
    }

    /// Writes a node's state. Unless it `overrides`, a newer one stays.
    pub(super) fn tell(&mut self, told: &Told<'_>, overrides: bool) -> rusqlite::Result<()> {
        let decision = self.rules.decide(&NodeFacts {
            backend_mount_id: told.backend_mount_id,
            path: told.path,
            kind: told.kind,
            metadata: told.metadata,
        });
        let known = self.known(told, &decision)?;
        if let Some(known) = &known
            && !overrides
            && known.journal_id >= told.journal_id.as_i64()
        {
            return Ok(());
        }
        let (record_id, is_placed) = known
            .as_ref()
            .map_or((None, false), |known| (known.record_id, known.is_placed));
        let record_id = match (record_id, &decision) {
            (Some(id), _) if is_placed => Some(id),
            (id, Decision::Skip) => id,
            (id, Decision::Place(place)) => {
                Some(
                    self.placer
                        .place(told.node_id, id, place, told.observed_at)?,
                )
            }
        };
        self.write(told, known.as_ref(), record_id, &decision)
    }

    fn known(
        &mut self,
        told: &Told<'_>,
        decision: &Decision<'_>,
    ) -> rusqlite::Result<Option<Known>> {
        if told.node_id > self.largest {
            return Ok(None);
        }
        let namespace = match decision {
            Decision::Skip => None,
            Decision::Place(place) => Some(place.namespace),
        };
        self.known
            .query_row([told.node_id], |row| {
                let path = row.get_ref(3)?.as_str()?;
                Ok(Known {
                    journal_id: row.get(0)?,
                    record_id: row.get(1)?,
                    is_placed: row.get_ref(2)?.as_str_or_null()? == namespace,
                    is_in_place: path == told.path
                        && row.get::<_, i64>(4)? == told.backend_mount_id,
                    has_same_name: names::name(path) == names::name(told.path),
                })
            })
            .optional()
    }

    fn write(
        &mut self,
        told: &Told<'_>,
        known: Option<&Known>,
        record_id: Option<i64>,
        decision: &Decision<'_>,
    ) -> rusqlite::Result<()> {
        let quarantine_reason = match decision {
            Decision::Skip => None,
            Decision::Place(place) => place.quarantine_reason.as_deref(),
        };
        let is_hidden = told.state == NodeState::Deleted || matches!(decision, Decision::Skip);
        let checked = told.checked.as_ref();
        let statement = match known {
            None => &mut self.insert,
            Some(known) if known.is_in_place && known.record_id == record_id => &mut self.update,
            Some(_) => &mut self.relocate,
        };
        statement.execute(params![
            told.node_id,
            record_id,
            told.backend_mount_id,
            told.path,
            told.kind.as_str(),
            told.state.as_str(),
            told.parent_id,
            told.version,
            told.size_bytes,
            told.checksum,
            told.content_hash,
            told.metadata.get(),
            told.observed_at.as_millis(),
            told.last_modified_at.map(Time::as_millis),
            told.journal_id.as_i64(),
            told.command.map(|(command, _)| command),
            told.command.and_then(|(_, principal)| principal),
            told.consistency_state.as_str(),
            checked.map(|it| it.at.as_millis()),
            checked
                .and_then(|it| it.last_reconciled_at)
                .map(Time::as_millis),
            checked.map(|it| it.reason),
            checked.and_then(|it| it.previous_state),
            told.previous_path,
            quarantine_reason,
            is_hidden.then_some(told.observed_at.as_millis()),
        ])?;
        self.largest = self.largest.max(told.node_id);
        if told.node_id <= self.claimed_to && known.is_none_or(|known| !known.has_same_name) {
            self.note.execute([told.node_id])?;
        }
        Ok(())
    }
}
