//! What listings ask of a row that SQLite cannot answer.

use journal::compare::fold;
use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;

/// Registers the functions on a connection.
pub(super) fn register(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_DIRECTONLY;
    // Whether a path has a folded part.
    connection.create_scalar_function("path_has", 2, flags, |context| {
        let (path, part) = (context.get_raw(0).as_str()?, context.get_raw(1).as_str()?);
        Ok(fold(path).contains(part))
    })
}
