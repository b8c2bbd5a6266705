//! Whether the book's file still holds what was written to it.
//!
//! SQLite has no checksums of pages, so a bit that flips on the disk is found by what the book says
//! twice: an index has the rows of its table; a node's record has the node's id as its key; a
//! record says what the last write in its audit left it at, and each write in the audit begins
//! where the one before ended, and has a hash over all that it says; a record without an audit says nothing. What the sync wrote is
//! compared with filestore's own nodes by `tidemark verify`.

use httpkit::{Finding, Integrity};
use rusqlite::Connection;

/// How many findings of a kind are told.
const MOST: i64 = 20;

type Check = fn(&Connection) -> rusqlite::Result<Vec<String>>;

const CHECKS: [(&str, Check); 6] = [
    ("file", file),
    ("checkpoint", checkpoint),
    ("links", links),
    ("nodes", nodes),
    ("records", records),
    ("audit", audit),
];

/// Reads everything and compares what is said twice.
pub(crate) fn check(connection: &Connection) -> rusqlite::Result<Integrity> {
    let transaction = connection.unchecked_transaction()?;
    let mut findings = Vec::new();
    for (part, check) in CHECKS {
        match check(&transaction) {
            Ok(found) => {
                findings.extend(found.into_iter().map(|detail| Finding::new(part, detail)));
            }
            Err(error) => findings.push(Finding::new(part, error.to_string())),
        }
    }
    Ok(Integrity::of(findings))
}

fn lines(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(sql)?;
    let lines = statement.query_map([], |row| row.get(0))?;
    lines.collect()
}

fn file(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut found = lines(connection, &format!("PRAGMA integrity_check({MOST})"))?;
    found.retain(|line| line != "ok");
    let dangling = "SELECT DISTINCT 'a row of ' || \"table\" || ' points to a row of ' || parent || \
                    ' that is not there' FROM pragma_foreign_key_check";
    found.extend(lines(connection, dangling)?);
    Ok(found)
}

/// How far the journal is applied, and which one.
fn checkpoint(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    crate::sink::load_checkpoint(connection)?;
    Ok(Vec::new())
}

fn links(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    lines(connection, include_str!("sql/links_wrong.sql"))
}

/// Rows that cannot be what was written: words that are none, text that is no JSON.
fn nodes(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(include_str!("sql/digest_nodes.sql"))?;
    let mut rows = statement.query([0])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        if let Err(error) = crate::node::snapshot_node(row) {
            let id: i64 = row.get(0)?;
            found.push(format!("the row of node {id}: {error}"));
            if found.len() as i64 >= MOST {
                break;
            }
        }
    }
    Ok(found)
}

fn records(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    lines(connection, include_str!("sql/records_unlike_audit.sql"))
}

fn audit(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut found = lines(connection, include_str!("sql/audit_broken.sql"))?;
    let most = usize::try_from(MOST).unwrap_or(usize::MAX);
    found.extend(crate::record::audit::unlike_their_sums(connection, most)?);
    Ok(found)
}
