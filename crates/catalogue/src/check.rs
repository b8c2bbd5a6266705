//! The checks of the whole file; each finds what the others cannot.

use super::{Catalogue, StoreError, meta, reader};
use journal::{JournalId, chain};
use process::Chain;
use rusqlite::Connection;

/// How many findings of a kind are told.
const MOST: i64 = 20;
/// Entries checked at once.
const PAGE: usize = 2_000;

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
    let mut last = (meta.trimmed.id, meta.trimmed.digest);
    if meta.trimmed.id == JournalId::ZERO
        && meta.trimmed.digest != journal::Digest::genesis(meta.epoch)
    {
        return Ok(vec!["it does not begin with its epoch's digest".to_owned()]);
    }
    loop {
        let entries = reader::entries(connection, last.0, PAGE)?;
        let Some(entry) = entries.last() else { break };
        match chain::verify(last.0, last.1, &entries) {
            Ok(digest) => last = (entry.id, digest),
            Err(error) => return Ok(vec![error.to_string()]),
        }
    }
    Ok(if last == (meta.head.id, meta.head.digest) {
        Vec::new()
    } else {
        vec![format!(
            "it ends at entry {}, and entry {} was committed, or their digests differ",
            last.0, meta.head.id
        )]
    })
}

/// Every node whose last entry is left.
fn nodes(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let meta = meta::read(connection)?;
    let mut statement = connection.prepare(include_str!("sql/nodes_unlike_journal.sql"))?;
    let found = statement.query_map([meta.trimmed.id.as_i64(), MOST], |row| {
        let (id, entry): (i64, i64) = (row.get(0)?, row.get(1)?);
        Ok(format!("node {id} is not as its last entry, {entry}, says"))
    })?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

fn rollups(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let mut statement = connection.prepare(include_str!("sql/rollups_wrong.sql"))?;
    let found = statement.query_map([MOST], |row| {
        let id: i64 = row.get(0)?;
        Ok(format!(
            "the totals of directory {id} are not the sums of what lies in it"
        ))
    })?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}
