//! The checks of the whole file; each finds what the others cannot.

use super::entries::{Cache, Entries};
use super::{Catalogue, StoreError, meta};
use journal::JournalId;
use process::Chain;
use rusqlite::{Connection, OptionalExtension, params};
use std::ops::ControlFlow;

/// How many findings of a kind are told.
const MOST: usize = 20;

/// A part of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Its pages and indexes.
    File,
    /// The journal.
    Journal,
    /// The nodes.
    Nodes,
    /// The totals of directories.
    Rollups,
}

type Check = fn(&Connection) -> Result<Vec<String>, StoreError>;

impl Catalogue {
    /// Reads everything and compares what is said twice. Blocks, for as long as reading the
    /// catalogue takes; nobody waits for it meanwhile. Gives what was found, by part.
    ///
    /// # Errors
    /// The catalogue cannot be opened. That it cannot be read is a finding.
    pub fn check(&self) -> Result<Vec<(Part, String)>, StoreError> {
        let connection = self.open_reader()?;
        connection.execute_batch("BEGIN")?;
        let mut findings = Vec::new();
        for (part, check) in ALL {
            match check(&connection) {
                Ok(found) => findings.extend(found.into_iter().map(|detail| (part, detail))),
                Err(error) => findings.push((part, Chain(&error).to_string())),
            }
        }
        Ok(findings)
    }
}

/// All of them.
const ALL: [(Part, Check); 4] = [
    (Part::File, file),
    (Part::Journal, entries),
    (Part::Nodes, nodes),
    (Part::Rollups, rollups),
];

fn file(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let mut statement = connection.prepare(&format!("PRAGMA integrity_check({MOST})"))?;
    let lines = statement.query_map([], |row| row.get::<_, String>(0))?;
    let lines: Vec<_> = lines.collect::<rusqlite::Result<_>>()?;
    Ok(lines.into_iter().filter(|line| line != "ok").collect())
}

/// Every entry that is left, from the trimmed one to the head.
fn entries(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let meta = meta::read(connection)?;
    if meta.trimmed.id == JournalId::ZERO
        && meta.trimmed.digest != journal::Digest::genesis(meta.epoch)
    {
        return Ok(vec!["it does not begin with its epoch's digest".to_owned()]);
    }
    let last = match Entries::new(connection, None).verify(meta.trimmed) {
        Ok(last) => last,
        Err(StoreError::Damaged(reason)) => return Ok(vec![reason]),
        Err(error) => return Err(error),
    };
    Ok(if last == meta.head {
        Vec::new()
    } else {
        vec![format!(
            "it ends at entry {}, and entry {} was committed, or their digests differ",
            last.id, meta.head.id
        )]
    })
}

/// Every node whose last entry is left.
fn nodes(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let trimmed = meta::read(connection)?.trimmed.id;
    let mut unlike = connection.prepare(include_str!("sql/node_unlike_entry.sql"))?;
    let (mut compared, mut found) = (0, Vec::new());
    // By the entries, since a block is read as a whole.
    Entries::new(connection, None).walk(trimmed, |entry| {
        let (node, id) = (entry.node_id, entry.id);
        let is_unlike: Option<bool> = unlike
            .query_row(params![node, id.as_i64(), entry.data], |row| row.get(0))
            .optional()?;
        compared += i64::from(is_unlike.is_some());
        if let (Some(node), Some(true)) = (node, is_unlike) {
            found.push(unlike_entry(node, id));
        }
        Ok(if found.len() < MOST {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        })
    })?;
    const COUNT: &str = "SELECT count(*) FROM nodes WHERE last_journal_id > ?1";
    let nodes: i64 = connection.query_row(COUNT, [trimmed.as_i64()], |row| row.get(0))?;
    if found.len() < MOST && compared < nodes {
        name_others(connection, trimmed, &mut found)?;
    }
    Ok(found)
}

/// Names nodes whose last entry is about something else, or is not there.
fn name_others(
    connection: &Connection,
    trimmed: JournalId,
    found: &mut Vec<String>,
) -> Result<(), StoreError> {
    const SQL: &str = "SELECT id, last_journal_id FROM nodes WHERE last_journal_id > ?1
        ORDER BY last_journal_id";
    let cache = Cache::default();
    let entries = Entries::new(connection, Some(&cache));
    let mut statement = connection.prepare(SQL)?;
    let mut rows = statement.query([trimmed.as_i64()])?;
    while let Some(row) = rows.next()?
        && found.len() < MOST
    {
        let (node, id) = (row.get(0)?, JournalId::from_i64(row.get(1)?));
        if entries.node_of(id)? != Some(node) {
            found.push(unlike_entry(node, id));
        }
    }
    Ok(())
}

fn unlike_entry(node: i64, entry: JournalId) -> String {
    format!("node {node} is not as its last entry, {entry}, says")
}

fn rollups(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let mut statement = connection.prepare(include_str!("sql/rollups_wrong.sql"))?;
    let found = statement.query_map([MOST as i64], |row| {
        let id: i64 = row.get(0)?;
        Ok(format!(
            "the totals of directory {id} are not the sums of what lies in it"
        ))
    })?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}
