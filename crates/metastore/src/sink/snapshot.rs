//! A snapshot, made the book.
//!
//! Three steps, and people's writes wait for the third only. The snapshot is *staged* in a temporary
//! table as it comes, however slowly. It is *compared* with the book: what the book has already is
//! struck from the stage, and what only the book has is noted. That needs no turn, because nobody
//! but this sink says what a node is like. Then what is left is *merged* in one transaction, so that
//! readers see the book before or the book after, and so that a book that is nearly right is held up
//! for what differs and not for all there is.

use super::nodes::NodeWriter;
use super::{Sink, store_checkpoint, store_fault};
use crate::node::word;
use feed::{Checkpoint, SinkError};
use journal::{
    ChangedFacts, ConsistencyState, FileType, Inode, JournalId, NodeKind, NodeState, NodeView,
    PreviousOwner, Snapshot, SnapshotNode, Time, ToldBy,
};
use rusqlite::types::Type;
use rusqlite::{Connection, Row, Transaction, TransactionBehavior, params};
use serde_json::value::RawValue;
use std::sync::Arc;
use std::time::Instant;

pub(super) fn load(sink: &mut Sink, snapshot: Snapshot<'_>) -> Result<(), SinkError> {
    let checkpoint = Checkpoint {
        epoch: snapshot.epoch,
        journal_id: snapshot.journal_id,
        digest: snapshot.digest,
    };
    let now = sink.clock.now();
    stage(&mut sink.connection, snapshot, now)?;
    sink.connection
        .execute_batch(include_str!("../sql/snapshot_compare.sql"))
        .map_err(store_fault)?;
    let turn = sink.turn.lock();
    let since = Instant::now();
    let rules = Arc::clone(&sink.rules.read());
    let transaction = sink
        .connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(store_fault)?;
    let written = {
        let mut writer = NodeWriter::prepare(&transaction, &*rules).map_err(store_fault)?;
        merge(&transaction, &mut writer).map_err(store_fault)?
    };
    let deleted = finish(&transaction, checkpoint, now).map_err(store_fault)?;
    transaction.commit().map_err(store_fault)?;
    drop(turn);
    tracing::info!(
        journal_id = checkpoint.journal_id.get(),
        written,
        deleted,
        held_seconds = since.elapsed().as_secs_f64(),
        "snapshot merged into the book"
    );
    sink.connection
        .execute_batch(include_str!("../sql/snapshot_stage.sql"))
        .map_err(store_fault)
}

/// Copies the snapshot beside the book. Only the temporary database is written, so everyone else
/// goes on however slowly the nodes come.
fn stage(connection: &mut Connection, snapshot: Snapshot<'_>, now: Time) -> Result<(), SinkError> {
    connection
        .execute_batch(include_str!("../sql/snapshot_stage.sql"))
        .map_err(store_fault)?;
    let transaction = connection.transaction().map_err(store_fault)?;
    {
        let mut insert = transaction
            .prepare(include_str!("../sql/snapshot_insert.sql"))
            .map_err(store_fault)?;
        for node in snapshot.nodes {
            let node = node.map_err(|error| {
                let reason = format!("the snapshot broke off: {error}");
                SinkError::Unavailable(reason, Some(Box::new(error)))
            })?;
            let SnapshotNode { state, .. } = node;
            let metadata = node.metadata.as_ref().map(serde_json::to_string);
            let metadata = metadata.transpose().map_err(unusable)?;
            let json = |value: &Option<serde_json::Value>| {
                let text = value.as_ref().map(serde_json::to_string);
                text.transpose().map_err(unusable)
            };
            let (attributes, object_tags) = (json(&node.attributes)?, json(&node.object_tags)?);
            let inode = node.inode.view();
            let consistency = node.consistency_state.unwrap_or(state.consistency());
            insert
                .execute(params![
                    node.node_id,
                    node.backend_mount_id,
                    node.path,
                    node.kind.as_str(),
                    state.as_str(),
                    node.parent_id,
                    node.version,
                    node.size_bytes,
                    node.journal_id.as_i64(),
                    node.checksum,
                    node.content_hash,
                    metadata.as_deref().unwrap_or("{}"),
                    consistency.as_str(),
                    node.last_modified_at.map(Time::as_millis),
                    node.observed_at.unwrap_or(now).as_millis(),
                    inode.file_type.map(FileType::as_str),
                    inode.uid,
                    inode.gid,
                    inode.user,
                    inode.group,
                    inode.mode,
                    inode.links,
                    inode.allocated_bytes,
                    inode.changed_at.map(Time::as_millis),
                    attributes,
                    inode.storage_class,
                    inode.accessed_at.map(Time::as_millis),
                    inode.link_target,
                    object_tags,
                ])
                .map_err(store_fault)?;
        }
    }
    transaction.commit().map_err(store_fault)
}

/// Writes what differs; how many nodes that were.
fn merge(transaction: &Transaction<'_>, writer: &mut NodeWriter<'_>) -> rusqlite::Result<u64> {
    let mut staged = transaction.prepare(include_str!("../sql/snapshot_changed.sql"))?;
    let mut rows = staged.query([])?;
    let mut written = 0;
    while let Some(row) = rows.next()? {
        let (node, journal_id) = staged_node(row)?;
        writer.write(&node, journal_id, true)?;
        written += 1;
    }
    Ok(written)
}

/// The node of a staged row, and the last entry that changed it.
fn staged_node<'a>(row: &'a Row<'_>) -> rusqlite::Result<(NodeView<'a>, JournalId)> {
    let text = |index: usize| Ok::<_, rusqlite::Error>(row.get_ref(index)?.as_str_or_null()?);
    let metadata = serde_json::from_str::<&RawValue>(text(11)?.unwrap_or("{}"));
    let metadata = metadata.map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(11, Type::Text, Box::new(error))
    })?;
    let json = |index: usize| {
        let value = text(index)?.map(serde_json::from_str::<&RawValue>);
        value.transpose().map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(error))
        })
    };
    let node = NodeView {
        node_id: row.get(0)?,
        backend_mount_id: row.get(1)?,
        path: row.get_ref(2)?.as_str()?,
        kind: word(row, 3, NodeKind::from_word)?,
        state: word(row, 4, NodeState::from_word)?,
        parent_id: row.get(5)?,
        version: row.get(6)?,
        size_bytes: row.get(7)?,
        checksum: text(9)?,
        content_hash: text(10)?,
        metadata,
        observed_at: Time::from_millis(row.get(14)?),
        last_modified_at: row.get::<_, Option<i64>>(13)?.map(Time::from_millis),
        previous_path: None,
        previous_size_bytes: None,
        consistency_state: word(row, 12, ConsistencyState::from_word)?,
        inode: inode(row)?,
        attributes: json(24)?,
        object_tags: json(28)?,
        changed: ChangedFacts::default(),
        previous_owner: PreviousOwner::default(),
        by: ToldBy::Snapshot,
    };
    Ok((node, JournalId::from_i64(row.get(8)?)))
}

fn inode<'a>(row: &'a Row<'_>) -> rusqlite::Result<Inode<'a>> {
    let text = |index: usize| Ok::<_, rusqlite::Error>(row.get_ref(index)?.as_str_or_null()?);
    Ok(Inode {
        file_type: text(15)?.and_then(FileType::from_word),
        uid: row.get(16)?,
        gid: row.get(17)?,
        user: text(18)?,
        group: text(19)?,
        mode: row.get(20)?,
        links: row.get(21)?,
        allocated_bytes: row.get(22)?,
        changed_at: row.get::<_, Option<i64>>(23)?.map(Time::from_millis),
        accessed_at: row.get::<_, Option<i64>>(26)?.map(Time::from_millis),
        link_target: text(27)?,
        storage_class: text(25)?,
    })
}

/// What the snapshot does not have is deleted; what is parked up to its id is in it. How many
/// nodes were deleted.
fn finish(
    transaction: &Transaction<'_>,
    checkpoint: Checkpoint,
    now: Time,
) -> rusqlite::Result<usize> {
    let id = checkpoint.journal_id.as_i64();
    let deleted = transaction.execute(
        include_str!("../sql/nodes_delete_unlisted.sql"),
        params![id, now.as_millis()],
    )?;
    transaction.execute("DELETE FROM dead_letters WHERE journal_id <= ?1", [id])?;
    store_checkpoint(transaction, checkpoint)?;
    Ok(deleted)
}

fn unusable(error: serde_json::Error) -> SinkError {
    SinkError::Unavailable(
        format!("a node of the snapshot is unusable: {error}"),
        Some(error.into()),
    )
}
