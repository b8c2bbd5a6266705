//! Namespaces by number, as nodes name theirs.

use crate::db::json_list;
use rusqlite::{Connection, OptionalExtension};

/// The number of the namespace whose nodes are in no index: most nodes lie there.
pub(crate) const LARGEST: i64 = 1;

/// The number of a namespace; it gets one if it has none.
pub(crate) fn number(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    let known = connection
        .prepare_cached("SELECT id FROM namespaces WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?;
    match known {
        Some(number) => Ok(number),
        None => connection
            .prepare_cached("INSERT INTO namespaces (name) VALUES (?1) RETURNING id")?
            .query_row([name], |row| row.get(0)),
    }
}

/// The numbers of those of the namespaces that have one.
pub(crate) fn numbers(connection: &Connection, names: &[String]) -> rusqlite::Result<Vec<i64>> {
    connection
        .prepare_cached(
            "SELECT id FROM namespaces WHERE name IN (SELECT value FROM json_each(?1)) ORDER BY id",
        )?
        .query_map([json_list(names)], |row| row.get(0))?
        .collect()
}
