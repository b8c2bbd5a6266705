//! SQLite as the services set it.

use rusqlite::Connection;
use std::path::Path;
use std::time::Duration;

/// Opens a database for writing, with the settings of the metastore's sink, which are those of the
/// filestore's writer too.
pub(super) fn open(path: &Path) -> anyhow::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.execute_batch(include_str!("../sql/settings.sql"))?;
    Ok(connection)
}
