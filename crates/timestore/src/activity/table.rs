//! The activity's table, the view by which this crate's statements read it, and the tables in which
//! a new activity gathers.

use super::COLUMNS;
use crate::error::Result;
use crate::schema::quote;
use duckdb::Connection;

/// Makes the tables in which a new activity gathers, anew.
pub(crate) const GATHER: &str = "CREATE OR REPLACE TABLE tidemark.new_activity AS \
                                 FROM tidemark.activity LIMIT 0; \
                                 CREATE OR REPLACE TABLE tidemark.new_dead_letters AS \
                                 FROM tidemark.dead_letters LIMIT 0;";

/// Drops what has gathered.
pub(crate) const DROP_GATHERED: &str = "DROP TABLE IF EXISTS tidemark.new_activity; \
                                        DROP TABLE IF EXISTS tidemark.new_dead_letters;";

/// Makes the empty table and its view.
pub(crate) fn create(connection: &Connection, table: &str) -> Result<()> {
    let columns: Vec<_> = COLUMNS
        .iter()
        .map(|(name, kind)| format!("{name} {kind}"))
        .collect();
    connection.execute_batch(&format!(
        "CREATE TABLE main.{} ({})",
        quote(table),
        columns.join(", ")
    ))?;
    create_view(connection, table)
}

/// Lets the view read this table, with the columns that it has now.
pub(crate) fn create_view(connection: &Connection, table: &str) -> Result<()> {
    let table = quote(table);
    Ok(connection.execute_batch(&format!(
        "CREATE OR REPLACE VIEW tidemark.activity AS FROM main.{table}"
    ))?)
}
