//! What the compiled statements call that SQLite does not have.

use super::json_eq::{contains, is_same};
use crate::names::name;
use crate::rules::compile_glob;
use globset::GlobMatcher;
use journal::compare::fold;
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
    connection.create_scalar_function("fold", 1, flags, |context| {
        on_text(context, |path| Some(fold(path).into_owned()))
    })?;
    connection.create_scalar_function("name_of", 1, flags, |context| {
        on_text(context, |path| Some(fold(name(path)).into_owned()))
    })?;
    connection.create_scalar_function("extension_of", 1, flags, |context| {
        on_text(context, |path| {
            extension(name(path)).map(|it| fold(it).into_owned())
        })
    })?;
    connection.create_scalar_function("path_has", -1, flags, |context| {
        let Some(path) = context.get_raw(0).as_str_or_null()? else {
            return Ok(false);
        };
        let path = fold(path);
        for word in 1..context.len() {
            if !path_has(&path, context.get_raw(word).as_str()?) {
                return Ok(false);
            }
        }
        Ok(true)
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

fn on_text(
    context: &Context<'_>,
    of: fn(&str) -> Option<String>,
) -> rusqlite::Result<Option<String>> {
    Ok(context.get_raw(0).as_str_or_null()?.and_then(of))
}

/// What stands behind the last dot of a name; a dot at its beginning hides a file and no more.
pub(super) fn extension(name: &str) -> Option<&str> {
    let (before, extension) = name.rsplit_once('.')?;
    (!before.is_empty() && !extension.is_empty()).then_some(extension)
}

/// Whether a folded path has a folded word, which may span names.
fn path_has(path: &str, word: &str) -> bool {
    match word.strip_prefix('/') {
        Some(begin) if path.starts_with(begin) => true,
        _ => path.contains(word),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_parts_of_paths_whatever_their_case() {
        for (path, word, expected) in [
            ("Docs/Annual Report.PDF", "annual rep", true),
            ("Docs/Annual Report.PDF", "docs/annual", true),
            ("Docs/Annual Report.PDF", "/docs", true),
            ("Docs/Annual Report.PDF", "/annual", true),
            ("Docs/Annual Report.PDF", "/report", false),
            ("Docs/x", "docs/", true),
            ("Docs", "docs/", false),
            ("\u{c4}rger.txt", "\u{e4}rger", true),
            ("", "a", false),
        ] {
            assert_eq!(path_has(&fold(path), word), expected, "{path} {word}");
        }
    }

    #[test]
    fn an_extension_stands_behind_the_last_dot() {
        for (name, expected) in [
            ("a.txt", Some("txt")),
            ("a.tar.gz", Some("gz")),
            (".bashrc", None),
            ("a.", None),
            ("a", None),
        ] {
            assert_eq!(extension(name), expected, "{name}");
        }
    }
}
