//! Commands that talk REST: ask, print rows, say the rest on stderr.

pub(crate) mod activity;
pub(crate) mod consumers;
pub(crate) mod dead_letters;
pub(crate) mod doctor;
pub(crate) mod events;
pub(crate) mod files;
pub(crate) mod listing;
pub(crate) mod mounts;
pub(crate) mod nodes;
pub(crate) mod rebuild;
pub(crate) mod records;
pub(crate) mod scan;
pub(crate) mod sql;
pub(crate) mod status;
pub(crate) mod tree;

use crate::output::Row;
use serde_json::Value;

/// Whether a command that ran to its end found what it looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Exit 0.
    Good,
    /// Exit 1, with nothing more to say.
    Bad,
}

/// The rows inside an answer: the value itself if it is a list, else the first of these fields
/// that is one.
pub(crate) fn rows_in(answer: Value, fields: &[&str]) -> Vec<Row> {
    let items = match answer {
        Value::Array(items) => items,
        Value::Object(mut object) => {
            let list = fields.iter().find_map(|field| match object.remove(*field) {
                Some(Value::Array(items)) => Some(items),
                _ => None,
            });
            list.unwrap_or_default()
        }
        _ => Vec::new(),
    };
    let objects = items.into_iter().filter_map(|item| match item {
        Value::Object(row) => Some(row),
        _ => None,
    });
    objects.collect()
}

/// A field of a row as text, empty where there is none.
fn text<'a>(row: &'a Row, key: &str) -> &'a str {
    row.get(key).and_then(Value::as_str).unwrap_or_default()
}
