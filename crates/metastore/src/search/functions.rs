//! What the compiled statements call that SQLite does not have.

use super::same::{contains, is_same};
use crate::rules::compile_glob;
use globset::GlobMatcher;
use rusqlite::Connection;
use rusqlite::functions::{Context, FunctionFlags};
use serde_json::Value;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Registers the functions on a connection.
pub(crate) fn register(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_DIRECTONLY;
    connection.create_scalar_function("glob_matches", 2, flags, |context| {
        let glob = context.get_or_create_aux(0, |pattern| -> Result<GlobMatcher, Failure> {
            compile_glob(pattern.as_str()?).map_err(Into::into)
        })?;
        let text = context.get_raw(1).as_str_or_null()?;
        Ok(text.is_some_and(|text| glob.is_match(text)))
    })?;
    connection
        .create_scalar_function("json_same", 2, flags, |context| compare(context, is_same))?;
    connection.create_scalar_function("json_contains", 2, flags, |context| {
        compare(context, contains)
    })?;
    connection.create_scalar_function("json_has_any", 2, flags, |context| {
        compare(context, |array, wanted| match (array, wanted) {
            (Value::Array(elements), Value::Array(wanted)) => elements
                .iter()
                .any(|element| wanted.iter().any(|it| is_same(element, it))),
            _ => false,
        })
    })
}

/// Compares the first argument, JSON or null, with the second, the JSON of the filter.
fn compare(context: &Context<'_>, is: fn(&Value, &Value) -> bool) -> rusqlite::Result<bool> {
    let wanted = context.get_or_create_aux(1, |json| -> Result<Value, Failure> {
        serde_json::from_str(json.as_str()?).map_err(Into::into)
    })?;
    let Some(json) = context.get_raw(0).as_str_or_null()? else {
        return Ok(false);
    };
    let value = serde_json::from_str(json)
        .map_err(|error| rusqlite::Error::UserFunctionError(Box::new(error)))?;
    Ok(is(&value, &wanted))
}
