//! A person's SQL with a token that is limited to paths.
//!
//! In the activity's place stands the view of [`Sight`]. It hides the table from names without a
//! schema, so a limited statement may use no others; and only the activity's name, and names that
//! the statement makes itself with WITH. Those must be no names of anything in the database: used
//! where the WITH does not reach, they would mean that. Functions that look past tables, at their
//! statistics or at the catalogue, are refused.

use super::tree::Reference;
use crate::catalogue::Dataset;
use crate::error::{Error, Refusal, Result};
use crate::sight::Sight;
use duckdb::Connection;

/// Table functions that make rows of their arguments.
const TABLE_FUNCTIONS: &[&str] = &[
    "generate_series",
    "json_each",
    "json_tree",
    "range",
    "unnest",
];

/// Functions that tell of more than their arguments say, by name and by their first letters.
const REFUSED: &[&str] = &[
    "col_description",
    "current_setting",
    "getvariable",
    "obj_description",
    "shobj_description",
    "stats",
];
const REFUSED_PREFIXES: &[&str] = &["duckdb_", "has_", "pg_", "pragma_"];

/// Checks a statement that refers to `references`, and puts the view in place.
pub(super) fn prepare(
    connection: &Connection,
    references: &[Reference<'_>],
    sight: &Sight,
    activity: &Dataset,
) -> Result<()> {
    let own: Vec<String> = references
        .iter()
        .filter_map(|reference| match reference {
            Reference::With(name) => Some(name.to_lowercase()),
            _ => None,
        })
        .collect();
    let table = activity.table.to_lowercase();
    for reference in references {
        check(reference, &own, &table)?;
    }
    for name in own.iter().filter(|name| **name != table) {
        let mut statement = connection.prepare_cached(include_str!("../sql/name_taken.sql"))?;
        if statement.query_row([name], |row| row.get(0))? {
            return Err(Refusal::Taken(name.clone()).into());
        }
    }
    sight.view(connection, activity).map(drop)
}

fn check(
    reference: &Reference<'_>,
    own: &[String],
    activity: &str,
) -> std::result::Result<(), Refusal> {
    match reference {
        Reference::TableFunction(name) if !is_in(TABLE_FUNCTIONS, name) => {
            Err(Refusal::Function((*name).to_owned()))
        }
        Reference::Function(name) => {
            let lower = name.to_lowercase();
            let is_refused = REFUSED_PREFIXES.iter().any(|it| lower.starts_with(it));
            match is_refused || is_in(REFUSED, name) {
                true => Err(Refusal::Function((*name).to_owned())),
                false => Ok(()),
            }
        }
        Reference::Qualifier(name) if !name.is_empty() => {
            Err(Refusal::Qualified((*name).to_owned()))
        }
        Reference::Table(name) => {
            let lower = name.to_lowercase();
            match lower.is_empty() || lower == activity || own.contains(&lower) {
                true => Ok(()),
                false => Err(Refusal::NotPermitted((*name).to_owned())),
            }
        }
        _ => Ok(()),
    }
}

/// DuckDB's errors suggest names that are like the wrong one, of whatever there is.
pub(super) fn without_suggestions(error: Error) -> Error {
    match error {
        Error::Statement(message) => {
            let end = message.find("Did you mean").or(message.find("Candidate"));
            let kept = message.get(..end.unwrap_or(message.len()));
            Error::Statement(kept.unwrap_or_default().trim_end().to_owned())
        }
        other => other,
    }
}

fn is_in(list: &[&str], name: &str) -> bool {
    list.contains(&name.to_ascii_lowercase().as_str())
}
