//! Which fields the metadata has, so that a mistyped name is told.

use super::field::{Field, JsonField, field};
use super::terms::NAMES;
use rusqlite::{Connection, params};
use serde_json::Value;

/// How many records are asked for a field, at most.
const ASKED: i64 = 50_000;
/// How many are asked for the names of their fields.
const NAMED: i64 = 2_000;

/// A warning for each field that no record in the namespaces has. Nothing is said of a field where
/// there are more records than are asked.
pub(crate) fn unknown(
    connection: &Connection,
    namespaces: Option<&[String]>,
    fields: &[String],
) -> rusqlite::Result<Vec<String>> {
    let namespaces = namespaces.map(|names| Value::from(names).to_string());
    let mut warnings = Vec::new();
    for name in fields {
        let Ok(Field::Json(json)) = field(&format!("metadata.{name}")) else {
            continue;
        };
        if is_anywhere(connection, namespaces.as_deref(), &json)? {
            continue;
        }
        let hint = match nearest(connection, namespaces.as_deref(), name)? {
            Some(nearest) => format!("did you mean {nearest}?"),
            None => format!("to look for the text itself, put it in quotes: \"{name}:...\""),
        };
        let warning = format!("no record has a field `{name}`; {hint}");
        warnings.push(warning);
    }
    Ok(warnings)
}

/// Whether a record has the field, or too many would have to be asked.
fn is_anywhere(
    connection: &Connection,
    namespaces: Option<&str>,
    json: &JsonField,
) -> rusqlite::Result<bool> {
    let (asked, found): (i64, bool) = connection
        .prepare_cached(include_str!("../sql/fields_asked.sql"))?
        .query_row(params![namespaces, ASKED, json.path()], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    Ok(found || asked >= ASKED)
}

fn nearest(
    connection: &Connection,
    namespaces: Option<&str>,
    name: &str,
) -> rusqlite::Result<Option<String>> {
    let known = connection
        .prepare_cached(include_str!("../sql/fields_named.sql"))?
        .query_map(params![namespaces, NAMED], |row| row.get(0))?
        .collect::<rusqlite::Result<Vec<String>>>()?;
    let far = name.chars().count().div_ceil(3);
    let own = NAMES.iter().map(|&name| name.to_owned());
    let by_distance = own
        .chain(known)
        .map(|known| (strsim::damerau_levenshtein(name, &known), known));
    Ok(by_distance
        .filter(|(distance, _)| *distance <= far)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known))
}
