//! The nodes as this book sees them, for whoever compares books: streamed in the order of ids,
//! all from one transaction, together with the checkpoint that they reflect.
//!
//! `sizeBytes` is the sum of the node's deltas, not the size that its last entry names, so a
//! comparison proves the deltas.

use super::MOUNT;
use crate::error::{Error, Result};
use crate::inner::Inner;
use crate::sight::Sight;
use crate::sink::read_checkpoint;
use bytes::Bytes;
use duckdb::arrow::array::{Array, AsArray, StructArray};
use duckdb::arrow::datatypes::Int64Type;
use duckdb::{Connection, params};
use feed::Checkpoint;
use journal::{JournalId, NodeKind, NodeState, SnapshotInode, SnapshotNode};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

/// The whole answer takes no longer; it holds a read transaction.
const STREAM_LIMIT: Duration = Duration::from_secs(600);
/// A client that does not take the next piece for so long is given up.
const STALLED_LIMIT: Duration = Duration::from_secs(30);
const CHUNK_BYTES: usize = 64 << 10;
const CHUNKS_AHEAD: usize = 4;

/// What is known when the answer begins.
pub(crate) struct NodesHead {
    pub(crate) checkpoint: Option<Checkpoint>,
    pub(crate) lines: mpsc::Receiver<Result<Bytes>>,
}

/// Begins the stream of nodes with ids above `after`, at most `limit`.
pub(crate) async fn stream_nodes(
    inner: Arc<Inner>,
    after: i64,
    limit: Option<usize>,
    sight: Sight,
) -> Result<NodesHead> {
    let (send, lines) = mpsc::channel(CHUNKS_AHEAD);
    let (head, begun) = oneshot::channel();
    let runtime = Handle::current();
    tokio::spawn(async move {
        let failed = send.clone();
        let limit = limit
            .and_then(|limit| i64::try_from(limit).ok())
            .unwrap_or(i64::MAX);
        let result = inner.reads.read(STREAM_LIMIT, move |connection| {
            let checkpoint = read_checkpoint(connection)?;
            if head.send(checkpoint).is_err() {
                return Ok(());
            }
            send_nodes(connection, after, limit, &sight, |chunk| {
                let sent = runtime.block_on(async {
                    tokio::time::timeout(STALLED_LIMIT, send.send(Ok(chunk))).await
                });
                matches!(sent, Ok(Ok(())))
            })
        });
        if let Err(error) = result.await {
            // Whoever listened may be gone.
            let _ = failed.send(Err(error)).await;
        }
    });
    match begun.await {
        Ok(checkpoint) => Ok(NodesHead { checkpoint, lines }),
        // It failed before it began: the reason is the first and only item.
        Err(_) => {
            let mut lines = lines;
            match lines.recv().await {
                Some(Err(error)) => Err(error),
                _ => Err(Error::Closed),
            }
        }
    }
}

/// Gives lines in chunks to `take` until it refuses one.
fn send_nodes(
    connection: &Connection,
    after: i64,
    limit: i64,
    sight: &Sight,
    take: impl Fn(Bytes) -> bool,
) -> Result<()> {
    let inside = sight.inside("path", MOUNT);
    let inside = inside.as_deref().unwrap_or("TRUE");
    let sql = include_str!("../sql/nodes.sql").replace("{inside}", inside);
    let mut statement = connection.prepare(&sql)?;
    drop(statement.stream_arrow(params![after, limit])?);
    let mut chunk = Vec::with_capacity(CHUNK_BYTES + 1024);
    while let Some(rows) = statement.step()? {
        for row in 0..rows.len() {
            serde_json::to_writer(&mut chunk, &read_node(&rows, row)?)?;
            chunk.push(b'\n');
            if chunk.len() >= CHUNK_BYTES {
                let full = std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK_BYTES + 1024));
                if !take(full.into()) {
                    return Ok(());
                }
            }
        }
    }
    if !chunk.is_empty() {
        take(chunk.into());
    }
    Ok(())
}

fn read_node(rows: &StructArray, row: usize) -> Result<SnapshotNode> {
    let integer = |column: usize| {
        let array = rows.column(column);
        array
            .is_valid(row)
            .then(|| array.as_primitive::<Int64Type>().value(row))
    };
    let small = |column: usize| {
        let number = integer(column).map(u32::try_from).transpose();
        number.map_err(|_| Error::internal("the activity has a number that is none of an inode"))
    };
    let text = |column: usize| rows.column(column).as_string::<i32>().value(row);
    let unknown = |word: &str| Error::internal(format!("the activity has a node of {word:?}"));
    Ok(SnapshotNode {
        node_id: integer(0).unwrap_or_default(),
        backend_mount_id: integer(1).unwrap_or_default(),
        path: text(2).to_owned(),
        kind: NodeKind::from_word(text(3)).ok_or_else(|| unknown(text(3)))?,
        state: NodeState::from_word(text(4)).ok_or_else(|| unknown(text(4)))?,
        parent_id: integer(5),
        version: integer(6).unwrap_or_default(),
        size_bytes: integer(7),
        journal_id: JournalId::from_i64(integer(8).unwrap_or_default()),
        checksum: None,
        content_hash: None,
        metadata: None,
        attributes: None,
        object_tags: None,
        consistency_state: None,
        last_modified_at: None,
        inode: SnapshotInode {
            uid: small(9)?,
            gid: small(10)?,
            mode: small(11)?,
            allocated_bytes: integer(12),
            ..SnapshotInode::default()
        },
        observed_at: None,
    })
}
