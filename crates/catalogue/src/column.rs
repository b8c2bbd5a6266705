//! Values behind columns, and what is wrong with those that are none.

use rusqlite::Row;
use rusqlite::types::Type;

/// The value behind a column of one of the contract's words.
pub(crate) fn word<T>(
    row: &Row<'_>,
    index: usize,
    from_word: impl FnOnce(&str) -> Option<T>,
) -> rusqlite::Result<T> {
    let text = row.get_ref(index)?.as_str()?;
    from_word(text).ok_or_else(|| conversion(index, format!("unknown word {text:?}").into()))
}

pub(crate) fn conversion(
    index: usize,
    error: Box<dyn std::error::Error + Send + Sync>,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(index, Type::Text, error)
}
