//! A book that has fallen behind the journal starts again from a snapshot.
//!
//! The history stays, and gets one row for each node whose state or size it does not have: of type
//! `filestore.snapshot.node`, at the journal id of the node's last entry, with the deltas that
//! bring the node's sums to what the snapshot says. A node that the snapshot does not have gets
//! such a row with the state `deleted`. So the sums over the table are right again, and what
//! happened in between is missing and is not invented.
//!
//! If the history has the node's last entry and lacks an earlier one (a dead letter), that last row
//! gets the deltas that are missing.
//! Rows above the snapshot's id are of a future that did not happen (a journal restored to an
//! earlier state) and are removed. The rows of another journal (another epoch) cannot be counted
//! together with this one's: their table is renamed and stays readable by SQL.
//!
//! The owner thread takes the nodes chunk by chunk inside one transaction, so readers see the old
//! book or the new one; other writes wait meanwhile.

use super::pieces::{self, Piece, Target};
use super::{Position, write_position};
use crate::activity::{self, Builder, Rest, Row, SNAPSHOT_EVENT_TYPE};
use crate::catalogue::Dataset;
use crate::error::{Error, Result};
use crate::schema::quote;
use crate::store::{self, Store};
use crossbeam_channel::{Receiver, Sender};
use duckdb::{Connection, params};
use feed::Checkpoint;
use journal::{NodeKind, Snapshot, SnapshotNode, Time};

const CHUNK_NODES: usize = 10_000;

pub(super) fn load(
    store: &Store,
    dataset: &Dataset,
    snapshot: Snapshot<'_>,
    stored: Option<Position>,
    is_other_history: bool,
    now: Time,
) -> Result<Position> {
    let next = Position {
        checkpoint: Checkpoint {
            epoch: snapshot.epoch,
            journal_id: snapshot.journal_id,
            digest: snapshot.digest,
        },
        snapshot_id: snapshot.journal_id,
    };
    let (send, receive) = pieces::channel();
    let dataset = dataset.clone();
    let answer = store.begin_write(move |connection| {
        store::transaction(connection, |connection| {
            make_way(
                connection,
                &dataset,
                &next,
                stored.as_ref(),
                is_other_history,
            )?;
            take(connection, &dataset, &receive, &next, stored.as_ref(), now)
        })
    })?;
    // If the owner fails, it drops the channel, and its answer says why.
    let sent = send_nodes(snapshot, now, &send);
    drop(send);
    let taken = answer.recv().map_err(|_| Error::Closed)?;
    sent?;
    taken?;
    Ok(next)
}

/// Sends all nodes; without the end mark the transaction does not commit.
fn send_nodes(snapshot: Snapshot<'_>, now: Time, send: &Sender<Piece>) -> Result<()> {
    let mut nodes = snapshot.nodes;
    loop {
        let mut builder = Builder::with_capacity(CHUNK_NODES, now);
        let mut count = 0;
        for node in nodes.by_ref().take(CHUNK_NODES) {
            let node = node.map_err(|error| Error::Internal(Box::new(error)))?;
            push(&mut builder, &node, now)?;
            count += 1;
        }
        let chunk = if count == 0 {
            Piece::End
        } else {
            Piece::Rows(builder.finish()?)
        };
        if send.send(chunk).is_err() || count == 0 {
            return Ok(());
        }
    }
}

/// A staged row's deltas are the node's whole size and count; the statement that moves it takes
/// off what the table has.
fn push(builder: &mut Builder, node: &SnapshotNode, now: Time) -> Result<()> {
    let json = node.json()?;
    let is_there = node.state.is_there();
    let is_file = is_there && node.kind == NodeKind::File;
    let size = if is_there {
        node.size_bytes.unwrap_or(0)
    } else {
        0
    };
    builder.push(&Row {
        observed_at: node.observed_at.unwrap_or(now),
        event_type: SNAPSHOT_EVENT_TYPE,
        node_id: Some(node.node_id),
        backend_mount_id: Some(node.backend_mount_id),
        path: Some(&node.path),
        state: Some(node.state.as_str()),
        consistency_state: node
            .consistency_state
            .map(journal::ConsistencyState::as_str),
        size_bytes: node.size_bytes,
        size_delta: Some(size),
        journal_id: node.journal_id,
        rest: Rest::Node {
            metadata: &json.metadata,
            checksum: node.checksum.as_deref(),
            content_hash: node.content_hash.as_deref(),
            idempotency_key: None,
            link_target: node.inode.link_target.as_deref(),
            attributes: json.attributes.as_deref(),
            object_tags: json.object_tags.as_deref(),
        },
        kind: Some(node.kind.as_str()),
        parent_id: node.parent_id,
        version: Some(node.version),
        file_delta: Some(i64::from(is_file)),
        inode: node.inode.view(),
        modified_at: node.last_modified_at,
        extension: activity::extension(node.kind, &node.path),
        ..Row::default()
    });
    Ok(())
}

/// Takes out what the snapshot does not continue: rows of another history, which are set aside, and
/// those of a future that did not happen.
fn make_way(
    connection: &Connection,
    dataset: &Dataset,
    next: &Position,
    stored: Option<&Position>,
    is_other_history: bool,
) -> Result<()> {
    match stored {
        Some(stored) if is_other_history || stored.checkpoint.epoch != next.checkpoint.epoch => {
            set_aside(connection, dataset, stored)
        }
        _ => {
            let snapshot_id = next.checkpoint.journal_id.as_i64();
            let table = dataset.quoted_table();
            connection.execute(
                &format!("DELETE FROM {table} WHERE journal_id > ?"),
                [snapshot_id],
            )?;
            let letters = "DELETE FROM tidemark.dead_letters WHERE journal_id > ?";
            connection.execute(letters, [snapshot_id])?;
            Ok(())
        }
    }
}

/// On the owner thread, inside a transaction.
fn take(
    connection: &Connection,
    dataset: &Dataset,
    chunks: &Receiver<Piece>,
    next: &Position,
    stored: Option<&Position>,
    now: Time,
) -> Result<()> {
    let snapshot_id = next.checkpoint.journal_id.as_i64();
    stage(connection, dataset, chunks)?;
    let table = dataset.quoted_table();
    // Once for all that follows: each of the nodes is either corrected, or gets a row, or neither.
    let counted = include_str!("../sql/snapshot_counted.sql").replace("{activity}", &table);
    connection.execute_batch(&counted)?;
    correct(connection, &table)?;
    let now = now.as_millis();
    let nodes = include_str!("../sql/snapshot_nodes.sql").replace("{activity}", &table);
    connection.execute(&nodes, [now])?;
    let gone = include_str!("../sql/snapshot_gone.sql").replace("{activity}", &table);
    connection.execute(&gone, params![snapshot_id, now])?;
    connection.execute_batch("DROP TABLE temp.main.staged_nodes; DROP TABLE temp.main.counted;")?;
    write_position(connection, next, stored)
}

/// Deleted and inserted, since an update in place would keep the log from being folded.
fn correct(connection: &Connection, table: &str) -> Result<()> {
    let sql = include_str!("../sql/snapshot_corrected.sql").replace("{activity}", table);
    connection.execute_batch(&sql)?;
    connection.execute_batch(&format!(
        "DELETE FROM {table} AS activity USING temp.main.corrected AS corrected
         WHERE activity.node_id = corrected.node_id
             AND activity.journal_id = corrected.journal_id
             AND activity.version IS NOT NULL;
         INSERT INTO {table} FROM temp.main.corrected;
         DROP TABLE temp.main.corrected;"
    ))?;
    Ok(())
}

fn stage(connection: &Connection, dataset: &Dataset, chunks: &Receiver<Piece>) -> Result<()> {
    connection.execute_batch(&format!(
        "CREATE OR REPLACE TEMP TABLE staged_nodes AS FROM {} LIMIT 0",
        dataset.quoted_table()
    ))?;
    let target = Target {
        connection,
        catalog: Some("temp"),
        table: "staged_nodes",
    };
    pieces::append_all(target, chunks).map(drop)
}

/// Keeps the rows of another journal under another name and begins an empty table.
pub(super) fn set_aside(
    connection: &Connection,
    dataset: &Dataset,
    stored: &Position,
) -> Result<()> {
    let epoch = stored.checkpoint.epoch.to_string();
    let aside = format!(
        "{}_{}_{}",
        dataset.table,
        epoch.get(..8).unwrap_or(&epoch),
        stored.checkpoint.journal_id
    );
    connection.execute_batch(&format!(
        "DROP VIEW tidemark.activity;
         DROP TABLE IF EXISTS main.{aside};
         ALTER TABLE {} RENAME TO {aside};
         DELETE FROM tidemark.dead_letters;",
        dataset.quoted_table(),
        aside = quote(&aside),
    ))?;
    activity::create(connection, &dataset.table)
}
