//! A new book beside the present one, and how it takes its place.
//!
//! The new book is a temporary table on the sink's own connection: only the temporary database is
//! written while it grows, so that people's writes and the present book's own batches go on between
//! two pages of the journal, and a process that dies leaves nothing behind.
//!
//! Taking its place is one transaction. Rows that are as they should be stay; those that differ are
//! written anew, those that the journal does not know go. Records are people's, so they are never
//! rebuilt, only connected: a node's record is the one whose key is the node's id. It is placed by
//! the rules on the node's last state, and not once for every state that it went through.
//!
//! In another history (another journal, or one that was restored and written on) an id may mean
//! another node. There a record goes on with the node at the same mount and path; within the same
//! journal, failing that, with the node of the same id. A record whose node is found by neither
//! keeps everything that people wrote under the key `EPOCH-CHECKPOINT:KEY`, without a node; those
//! in which nobody wrote anything go.

use super::nodes::{inode_columns, number, state_columns};
use super::place::{Home, Placer};
use super::{Sink, entry_fault, load_checkpoint, store_checkpoint, store_fault};
use crate::names;
use crate::node::{raw, word};
use crate::record::{audit, store};
use crate::rules::{Decision, NamespaceRules, NodeFacts, SYNC_ACTOR};
use feed::rebuild::{Base, NewBook, Rebuild};
use feed::{Batch, Checkpoint, Item, SinkError};
use journal::{
    ConsistencyState, Event, JournalId, NodeKind, NodeState, NodeView, Snapshot, SnapshotNode, Time,
};
use rusqlite::{
    CachedStatement, Connection, OptionalExtension, Transaction, TransactionBehavior, params,
    params_from_iter,
};
use serde_json::value::RawValue;
use std::sync::Arc;

/// How many nodes are compared between two looks at the tables.
const PAGE: i64 = 1_000;

pub(super) fn begin(sink: &mut Sink, new: NewBook) -> rusqlite::Result<Rebuild> {
    sink.connection
        .execute_batch(include_str!("../sql/new_book.sql"))?;
    clear(&sink.connection)?;
    Ok(new.begun())
}

pub(super) fn abandon(sink: &mut Sink) {
    // What stays is removed when the next rebuild begins, or with the connection.
    if let Err(error) = clear(&sink.connection) {
        tracing::warn!(%error, "an abandoned rebuild was not cleared");
    }
}

fn clear(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(include_str!("../sql/new_book_clear.sql"))
}

pub(super) fn fill(sink: &mut Sink, rebuild: &Rebuild, batch: &Batch<'_>) -> Result<(), SinkError> {
    let transaction = sink.connection.transaction().map_err(store_fault)?;
    {
        let mut writer = NewNodes::prepare(&transaction, rebuild.base).map_err(store_fault)?;
        for item in batch.items {
            writer
                .apply(item)
                .map_err(|error| entry_fault(item.id, error))?;
        }
    }
    park(&transaction, batch).map_err(store_fault)?;
    transaction.commit().map_err(store_fault)
}

fn park(transaction: &Transaction<'_>, batch: &Batch<'_>) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO temp.new_dead_letters VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let mut park = transaction.prepare_cached(sql)?;
    for letter in batch.parked {
        park.execute(params![
            letter.journal_id.as_i64(),
            letter.event_type,
            letter.data,
            letter.reason,
            letter.parked_at.as_millis(),
            letter.attempts,
        ])?;
    }
    Ok(())
}

/// A snapshot of the same history is made the book as for a consumer that has fallen behind; one
/// of another history becomes the new book.
pub(super) fn fill_from_snapshot(
    sink: &mut Sink,
    rebuild: &Rebuild,
    snapshot: Snapshot<'_>,
) -> Result<(), SinkError> {
    if rebuild.is_same_history {
        return super::snapshot::load(sink, snapshot);
    }
    let now = sink.clock.now();
    let transaction = sink.connection.transaction().map_err(store_fault)?;
    {
        let mut writer = NewNodes::prepare(&transaction, Base::Snapshot).map_err(store_fault)?;
        for node in snapshot.nodes {
            let node = node.map_err(|error| {
                let reason = format!("the snapshot broke off: {error}");
                SinkError::Unavailable(reason, Some(Box::new(error)))
            })?;
            writer.list(&node, now).map_err(store_fault)?;
        }
    }
    transaction.commit().map_err(store_fault)
}

/// Makes the new book the book.
pub(super) fn finish(
    sink: &mut Sink,
    rebuild: &Rebuild,
    checkpoint: Checkpoint,
) -> Result<(), SinkError> {
    if rebuild.base == Base::Snapshot && rebuild.is_same_history {
        return Ok(());
    }
    let rules = Arc::clone(&sink.rules.read());
    let turn = sink.turn.lock();
    let transaction = sink
        .connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(store_fault)?;
    swap(&transaction, rebuild, &*rules, checkpoint).map_err(store_fault)?;
    transaction.commit().map_err(store_fault)?;
    drop(turn);
    abandon(sink);
    Ok(())
}

fn swap(
    transaction: &Transaction<'_>,
    new: &NewBook,
    rules: &dyn NamespaceRules,
    checkpoint: Checkpoint,
) -> rusqlite::Result<()> {
    let kept = match new.base {
        Base::Kept(after) => after.as_i64(),
        Base::Empty | Base::Snapshot => 0,
    };
    transaction.execute("DELETE FROM temp.new_nodes WHERE journal_id = 0", [])?;
    if !new.is_same_history {
        detach_records(transaction, checkpoint)?;
        names::forget(transaction)?;
    }
    transaction.execute_batch(include_str!("../sql/links_wrong_cut.sql"))?;
    transaction.execute(
        "DELETE FROM filestore_nodes WHERE journal_id > ?1 AND NOT EXISTS \
         (SELECT 1 FROM temp.new_nodes s WHERE s.node_id = filestore_nodes.node_id)",
        [kept],
    )?;
    let written = merge(transaction, rules)?;
    if new.base == Base::Empty {
        transaction.execute_batch("REINDEX filestore_nodes")?;
    }
    transaction.execute("DELETE FROM dead_letters WHERE journal_id > ?1", [kept])?;
    transaction.execute(
        "INSERT OR REPLACE INTO dead_letters SELECT * FROM temp.new_dead_letters",
        [],
    )?;
    store_checkpoint(transaction, checkpoint)?;
    tracing::info!(
        rows = written,
        checkpoint = checkpoint.journal_id.get(),
        "book rebuilt, rows that differed were written anew"
    );
    Ok(())
}

/// Takes the records off the nodes of another history: those that go on with a node are
/// remembered, the others get a name of their own or, if nobody wrote in them, go.
fn detach_records(transaction: &Transaction<'_>, next: Checkpoint) -> rusqlite::Result<()> {
    let Some(old) = load_checkpoint(transaction)? else {
        return Ok(());
    };
    transaction
        .execute_batch("CREATE INDEX temp.new_nodes_path ON new_nodes (path, backend_mount_id)")?;
    transaction.execute(include_str!("../sql/carry_by_path.sql"), [])?;
    if old.epoch == next.epoch {
        transaction.execute(include_str!("../sql/carry_by_id.sql"), [])?;
    }
    transaction.execute(include_str!("../sql/records_untouched_delete.sql"), [])?;
    let epoch = old.epoch.to_string();
    let prefix = format!(
        "{}-{}:",
        epoch.get(..8).unwrap_or(&epoch),
        old.journal_id.get()
    );
    let kept = transaction.execute(
        "UPDATE records SET key = ?1 || key \
         WHERE id IN (SELECT record_id FROM filestore_nodes WHERE record_id IS NOT NULL)",
        [&prefix],
    )?;
    transaction.execute("DELETE FROM filestore_nodes", [])?;
    tracing::info!(
        records = kept,
        prefix,
        "records taken off the nodes of another history"
    );
    Ok(())
}

/// Writes the rows that are not as they should be; how many.
fn merge(transaction: &Transaction<'_>, rules: &dyn NamespaceRules) -> rusqlite::Result<u64> {
    let mut merger = Merger {
        transaction,
        placer: Placer::prepare(transaction)?,
        carried: transaction
            .prepare_cached("SELECT record_id FROM temp.carried WHERE node_id = ?1")?,
        write: transaction.prepare_cached(include_str!("../sql/new_node_write.sql"))?,
        claimed_to: names::reach(transaction)?.claimed_to,
        note: transaction.prepare_cached(names::NOTE)?,
    };
    let mut page = transaction.prepare_cached(include_str!("../sql/new_nodes_page.sql"))?;
    let (mut after, mut written) = (0, 0);
    loop {
        let nodes: Vec<New> = page
            .query_map([after, PAGE], New::from_row)?
            .collect::<rusqlite::Result<_>>()?;
        let Some(last) = nodes.last() else {
            return Ok(written);
        };
        after = last.node_id;
        for node in &nodes {
            written += u64::from(merger.settle(node, rules)?);
        }
    }
}

struct Merger<'c> {
    transaction: &'c Transaction<'c>,
    placer: Placer<'c>,
    carried: CachedStatement<'c>,
    write: CachedStatement<'c>,
    /// Up to here names that change are noted for the index of names.
    claimed_to: i64,
    note: CachedStatement<'c>,
}

impl Merger<'_> {
    /// Connects a node with its record and writes its row, unless both are as they should be.
    fn settle(&mut self, node: &New, rules: &dyn NamespaceRules) -> rusqlite::Result<bool> {
        let decision = rules.decide(&NodeFacts {
            backend_mount_id: node.backend_mount_id,
            path: &node.path,
            kind: node.kind,
            metadata: &node.metadata,
        });
        let hidden_at = match &decision {
            _ if node.is_deleted => node.deleted_at.or(Some(node.observed_at)),
            Decision::Skip => node.hidden_at.or(Some(node.observed_at)),
            Decision::Place(_) => None,
        };
        let home = match node.home.record_id {
            Some(_) => Some(node.home),
            None => self.attach_record(node)?,
        };
        let (home, reason) = match (decision, home) {
            (Decision::Skip, Some(home)) => (home, None),
            (Decision::Skip, None) => (self.placer.reunite(node.node_id, node.home)?, None),
            // Where nothing is said there is nothing to move.
            (Decision::Place(place), home) => (
                self.placer.place(
                    node.node_id,
                    home.unwrap_or_default(),
                    &place,
                    node.observed_at,
                )?,
                place.quarantine_reason,
            ),
        };
        if node.is_same
            && home == node.home
            && reason.as_deref() == node.quarantine_reason.as_deref()
            && hidden_at == node.hidden_at
        {
            return Ok(false);
        }
        self.write.execute(params![
            node.node_id,
            home.record_id,
            reason,
            hidden_at.map(Time::as_millis),
            home.namespace
        ])?;
        if !node.is_same && node.node_id <= self.claimed_to {
            self.note.execute([node.node_id])?;
        }
        Ok(true)
    }

    /// The record that goes on with a node of another history, under the node's key.
    fn attach_record(&mut self, node: &New) -> rusqlite::Result<Option<Home>> {
        let carried: Option<i64> = self
            .carried
            .query_row([node.node_id], |row| row.get(0))
            .optional()?;
        let Some(id) = carried else { return Ok(None) };
        let Some(record) = store::by_id(self.transaction, id)? else {
            return Ok(None);
        };
        let key = node.node_id.to_string();
        // What a person happens to have called by the node's key is set aside as the others are.
        let aside = record.key.rsplit_once(':').map_or("", |(prefix, _)| prefix);
        self.transaction.execute(
            "UPDATE records SET key = ?3 || ':own:' || key WHERE namespace = ?1 AND key = ?2",
            params![record.namespace, key, aside],
        )?;
        self.transaction
            .prepare_cached("UPDATE records SET key = ?2 WHERE id = ?1")?
            .execute(params![id, key])?;
        audit::Change {
            record_id: id,
            action: "move",
            actor: Some(SYNC_ACTOR),
            at: node.observed_at,
            namespace: &record.namespace,
            previous_namespace: Some(&record.namespace),
            version: record.version,
            part: &record.part,
            previous: Some((record.version, &record.part)),
        }
        .write(self.transaction)?;
        Ok(Some(Home {
            record_id: Some(id),
            namespace: Some(self.placer.number(&record.namespace)?),
        }))
    }
}

/// A node of the new book, beside what the present one holds of it.
struct New {
    node_id: i64,
    backend_mount_id: i64,
    path: String,
    kind: NodeKind,
    is_deleted: bool,
    metadata: Box<RawValue>,
    observed_at: Time,
    deleted_at: Option<Time>,
    home: Home,
    hidden_at: Option<Time>,
    quarantine_reason: Option<String>,
    is_same: bool,
}

impl New {
    fn from_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        let time = |index| {
            Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(index)?.map(Time::from_millis))
        };
        Ok(Self {
            node_id: row.get(0)?,
            backend_mount_id: row.get(1)?,
            path: row.get(2)?,
            kind: word(row, 3, NodeKind::from_word)?,
            is_deleted: row.get_ref(4)?.as_str()? == NodeState::Deleted.as_str(),
            metadata: raw(5, row.get(5)?)?,
            observed_at: Time::from_millis(row.get(6)?),
            deleted_at: time(7)?,
            home: Home {
                record_id: row.get(8)?,
                namespace: row.get(9)?,
            },
            hidden_at: time(10)?,
            quarantine_reason: row.get(11)?,
            is_same: row.get(12)?,
        })
    }
}

/// Writes the new book's rows; statements prepared once a batch.
struct NewNodes<'c> {
    /// Where a replay begins.
    after: Option<i64>,
    seed: CachedStatement<'c>,
    upsert: CachedStatement<'c>,
    drift: CachedStatement<'c>,
}

impl<'c> NewNodes<'c> {
    fn prepare(transaction: &'c Transaction<'_>, base: Base) -> rusqlite::Result<Self> {
        Ok(Self {
            after: match base {
                Base::Kept(after) => Some(after.as_i64()),
                Base::Empty | Base::Snapshot => None,
            },
            seed: transaction.prepare_cached(include_str!("../sql/new_node_seed.sql"))?,
            upsert: transaction.prepare_cached(include_str!("../sql/new_node.sql"))?,
            drift: transaction.prepare_cached(
                "UPDATE temp.new_nodes SET consistency_state = ?2 \
                 WHERE node_id = ?1 AND journal_id < ?3 AND state <> 'deleted'",
            )?,
        })
    }

    fn apply(&mut self, item: &Item<'_>) -> rusqlite::Result<()> {
        if let Some(node) = item.event.node() {
            self.seed(node.node_id)?;
            return self.write(&node, item.id);
        }
        if let Event::Drift(event) = item.event
            && let Some(node_id) = event.node_id
        {
            self.seed(node_id)?;
            let state = ConsistencyState::Inconsistent.as_str();
            self.drift
                .execute(params![node_id, state, item.id.as_i64()])?;
        }
        Ok(())
    }

    fn seed(&mut self, node_id: i64) -> rusqlite::Result<()> {
        if let Some(after) = self.after {
            self.seed.execute([node_id, after])?;
        }
        Ok(())
    }

    /// A node of a snapshot.
    fn list(&mut self, node: &SnapshotNode, now: Time) -> rusqlite::Result<()> {
        let json = node
            .json()
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        let view = node.view(&json, now);
        self.write(&view, node.journal_id)
    }

    fn write(&mut self, node: &NodeView<'_>, journal_id: JournalId) -> rusqlite::Result<()> {
        let is_deleted = node.state == NodeState::Deleted;
        let deleted_at = is_deleted.then_some(node.observed_at.as_millis());
        let row = std::iter::once(number(node.node_id))
            .chain(state_columns(node, journal_id))
            .chain([number(deleted_at)])
            .chain(inode_columns(node));
        self.upsert.execute(params_from_iter(row))?;
        Ok(())
    }
}
