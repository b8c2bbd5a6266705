//! A snapshot, made the book.

use super::nodes::{NodeWriter, Told, consistency_of};
use super::{Sink, store_checkpoint, store_fault};
use feed::{Checkpoint, SinkError};
use journal::{Snapshot, SnapshotNode, Time};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use serde_json::value::RawValue;
use std::sync::Arc;

/// A node in the staging table: its line of the snapshot, with the metadata left as text.
const STAGING: &str = "CREATE TEMP TABLE IF NOT EXISTS snapshot_nodes \
                       (node_id INTEGER PRIMARY KEY, line TEXT NOT NULL) STRICT; \
                       DELETE FROM temp.snapshot_nodes;";

pub(super) fn load(sink: &mut Sink, snapshot: Snapshot<'_>) -> Result<(), SinkError> {
    let checkpoint = Checkpoint {
        epoch: snapshot.epoch,
        journal_id: snapshot.journal_id,
        digest: snapshot.digest,
    };
    stage(&mut sink.connection, snapshot)?;
    let now = sink.clock.now();
    let rules = Arc::clone(&sink.rules.read());
    let turn = sink.turn.lock();
    let transaction = sink
        .connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(store_fault)?;
    {
        let mut writer = NodeWriter::prepare(&transaction, &*rules).map_err(store_fault)?;
        merge(&transaction, &mut writer, now)?;
    }
    finish(&transaction, checkpoint, now).map_err(store_fault)?;
    transaction.commit().map_err(store_fault)?;
    drop(turn);
    sink.connection
        .execute_batch("DELETE FROM temp.snapshot_nodes")
        .map_err(store_fault)
}

/// Copies the snapshot beside the book. Only the temporary database is written, so everyone else
/// goes on however slowly the nodes come.
fn stage(connection: &mut Connection, snapshot: Snapshot<'_>) -> Result<(), SinkError> {
    connection.execute_batch(STAGING).map_err(store_fault)?;
    let transaction = connection.transaction().map_err(store_fault)?;
    {
        let mut insert = transaction
            .prepare("INSERT INTO temp.snapshot_nodes (node_id, line) VALUES (?1, ?2)")
            .map_err(store_fault)?;
        for node in snapshot.nodes {
            let node = node.map_err(|error| {
                let reason = format!("the snapshot broke off: {error}");
                SinkError::Unavailable(reason, Some(Box::new(error)))
            })?;
            let line = serde_json::to_string(&node).map_err(unusable)?;
            insert
                .execute(params![node.node_id, line])
                .map_err(store_fault)?;
        }
    }
    transaction.commit().map_err(store_fault)
}

fn merge(
    transaction: &Transaction<'_>,
    writer: &mut NodeWriter<'_>,
    now: Time,
) -> Result<(), SinkError> {
    let mut staged = transaction
        .prepare("SELECT line FROM temp.snapshot_nodes ORDER BY node_id")
        .map_err(store_fault)?;
    let mut rows = staged.query([]).map_err(store_fault)?;
    while let Some(row) = rows.next().map_err(store_fault)? {
        let line: String = row.get(0).map_err(store_fault)?;
        let node: SnapshotNode = serde_json::from_str(&line).map_err(unusable)?;
        let metadata = node.metadata.as_ref().map_or_else(
            || RawValue::from_string("{}".to_owned()),
            serde_json::value::to_raw_value,
        );
        let metadata = metadata.map_err(unusable)?;
        let told = Told {
            node_id: node.node_id,
            backend_mount_id: node.backend_mount_id,
            path: &node.path,
            kind: node.kind,
            state: node.state,
            parent_id: node.parent_id,
            version: node.version,
            size_bytes: node.size_bytes,
            checksum: node.checksum.as_deref(),
            content_hash: node.content_hash.as_deref(),
            metadata: &metadata,
            observed_at: node.observed_at.unwrap_or(now),
            last_modified_at: node.last_modified_at,
            journal_id: node.journal_id,
            previous_path: None,
            command: None,
            consistency_state: node.consistency_state.unwrap_or(consistency_of(node.state)),
            checked: None,
        };
        writer.tell(&told, true).map_err(store_fault)?;
    }
    Ok(())
}

/// What the snapshot does not have is deleted; what is parked up to its id is in it.
fn finish(
    transaction: &Transaction<'_>,
    checkpoint: Checkpoint,
    now: Time,
) -> rusqlite::Result<()> {
    let id = checkpoint.journal_id.as_i64();
    transaction.execute(
        include_str!("../sql/nodes_delete_unlisted.sql"),
        params![id, now.as_millis()],
    )?;
    transaction.execute("DELETE FROM dead_letters WHERE journal_id <= ?1", [id])?;
    store_checkpoint(transaction, checkpoint)
}

fn unusable(error: serde_json::Error) -> SinkError {
    SinkError::Unavailable(
        format!("a node of the snapshot is unusable: {error}"),
        Some(error.into()),
    )
}
