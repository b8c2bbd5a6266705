//! A bare loop of prepared upserts into the metastore's table of nodes: each entry writes its node's row.

use super::{BATCH, sqlite};
use crate::books;
use crate::outcome::Outcome;
use crate::source::Source;
use crate::watch::{Stopwatch, Watched};
use journal::{Event, FileType, JournalId, JournalReader, NodeEvent, NodeState};
use metastore::Metastore;
use rusqlite::{Connection, ToSql, TransactionBehavior};
use std::path::Path;

/// Entries in memory at a time.
const CHUNK: usize = 10 * BATCH;

/// What the statements bind.
struct Row {
    node_id: i64,
    backend_mount_id: i64,
    path: String,
    kind: &'static str,
    state: &'static str,
    parent_id: Option<i64>,
    version: i64,
    size_bytes: Option<i64>,
    metadata: String,
    observed_at: i64,
    last_modified_at: Option<i64>,
    journal_id: i64,
    command: String,
    principal: Option<String>,
    previous_path: Option<String>,
    file_type: Option<&'static str>,
    uid: Option<u32>,
    gid: Option<u32>,
    user: Option<String>,
    group: Option<String>,
    mode: Option<u32>,
    links: Option<u32>,
    allocated_bytes: Option<i64>,
    changed_at: Option<i64>,
}

pub(crate) fn measure(source: &Source, data: &Path) -> anyhow::Result<Outcome> {
    // The metastore makes its tables.
    Metastore::open(metastore::Options::in_data_dir(data))?.close();
    let mut connection = sqlite::open(&books::metastore_database(data))?;
    let journal = source.open()?;
    let (mut after, mut watched) = (JournalId::ZERO, Watched::default());
    loop {
        let start = after;
        let rows = load(&*journal.reader, &mut after)?;
        if after == start {
            break;
        }
        let watch = Stopwatch::start();
        for batch in rows.chunks(BATCH) {
            write(&mut connection, batch)?;
        }
        watched += watch.stop();
    }
    Ok(Outcome::of(after.get(), watched))
}

/// The rows of the next chunk.
fn load(reader: &dyn JournalReader, after: &mut JournalId) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::with_capacity(CHUNK);
    let end = JournalId::new(after.get() + u64::try_from(CHUNK)?);
    while *after < end {
        let left = usize::try_from(end.entries_since(*after))?;
        let page = reader.read(*after, left.min(BATCH))?;
        let Some(last) = page.entries.last() else {
            break;
        };
        *after = last.id;
        for entry in &page.entries {
            if let Event::Node(event) = entry.event()? {
                rows.push(Row::of(&event));
            }
        }
    }
    Ok(rows)
}

impl Row {
    fn of(event: &NodeEvent<'_>) -> Self {
        Self {
            node_id: event.node_id,
            backend_mount_id: event.backend_mount_id,
            path: event.path.to_string(),
            kind: event.kind.as_str(),
            state: event.state.as_str(),
            parent_id: event.parent_id,
            version: event.version,
            size_bytes: event.size_bytes,
            metadata: event.metadata.get().to_owned(),
            observed_at: event.observed_at.as_millis(),
            last_modified_at: event.last_modified_at.map(|at| at.as_millis()),
            journal_id: event.journal_id.as_i64(),
            command: event.command.to_string(),
            principal: event.principal.as_deref().map(str::to_owned),
            previous_path: event.previous_path.as_deref().map(str::to_owned),
            file_type: event.file_type.map(FileType::as_str),
            uid: event.uid,
            gid: event.gid,
            user: event.user.as_deref().map(str::to_owned),
            group: event.group.as_deref().map(str::to_owned),
            mode: event.mode,
            links: event.links,
            allocated_bytes: event.allocated_bytes,
            changed_at: event.changed_at.map(|at| at.as_millis()),
        }
    }
}

fn write(connection: &mut Connection, rows: &[Row]) -> anyhow::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        let mut node = transaction.prepare_cached(include_str!("../sql/raw_node.sql"))?;
        for row in rows {
            let is_deleted = row.state == NodeState::Deleted.as_str();
            let values: [&dyn ToSql; 33] = [
                &row.node_id,
                &row.backend_mount_id,
                &row.path,
                &row.kind,
                &row.state,
                &row.parent_id,
                &row.version,
                &row.size_bytes,
                &None::<&str>,
                &None::<&str>,
                &row.metadata,
                &row.observed_at,
                &row.last_modified_at,
                &row.journal_id,
                &row.command,
                &row.principal,
                &"active",
                &None::<i64>,
                &None::<i64>,
                &None::<&str>,
                &None::<&str>,
                &row.previous_path,
                &None::<&str>,
                &is_deleted.then_some(row.observed_at),
                &row.file_type,
                &row.uid,
                &row.gid,
                &row.user,
                &row.group,
                &row.mode,
                &row.links,
                &row.allocated_bytes,
                &row.changed_at,
            ];
            node.execute(values.as_slice())?;
        }
    }
    Ok(transaction.commit()?)
}
