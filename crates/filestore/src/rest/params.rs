//! What several handlers take.

use super::problem;
use ::node::NodePath;
use httpkit::{Cursor, Problem};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// A field that may be left out, be `null`, or have a value.
pub(super) fn present<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}

/// A path that may be the root.
pub(super) fn path(field: &'static str, text: &str) -> Result<NodePath, Problem> {
    NodePath::parse(text).map_err(|reason| problem::of_path(field, text, reason))
}

/// A path that a command changes.
pub(super) fn target(field: &'static str, text: &str) -> Result<NodePath, Problem> {
    NodePath::parse_target(text).map_err(|reason| problem::of_path(field, text, reason))
}

/// The values of a parameter that holds several, comma-separated, repeated, or both.
pub(super) fn words<T>(
    field: &'static str,
    lists: &[String],
    from_word: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, Problem> {
    let words = lists
        .iter()
        .flat_map(|list| list.split(','))
        .map(str::trim)
        .filter(|word| !word.is_empty());
    let value = |word: &str| {
        from_word(word).ok_or_else(|| Problem::invalid(field, format!("unknown value {word:?}")))
    };
    words.map(value).collect()
}

/// Metadata as it came in, bounded: every entry about the node carries it.
pub(super) fn metadata(
    field: &'static str,
    metadata: Option<Map<String, Value>>,
) -> Result<Option<Map<String, Value>>, Problem> {
    const MOST_BYTES: usize = 256 * 1024;
    let length = metadata.as_ref().map(serde_json::to_vec).transpose();
    let length = length
        .map_err(|error| Problem::internal(&error))?
        .map_or(0, |text| text.len());
    if length > MOST_BYTES {
        let detail = format!("{length} bytes of metadata; at most {MOST_BYTES} are taken");
        return Err(Problem::invalid(field, detail));
    }
    Ok(metadata)
}

/// `limit`, within bounds.
pub(super) fn limit(limit: Option<u32>, default: u32, most: u32) -> Result<u32, Problem> {
    match limit {
        None => Ok(default),
        Some(limit) if (1..=most).contains(&limit) => Ok(limit),
        Some(_) => Err(Problem::invalid(
            "/limit",
            format!("use a number from 1 to {most}"),
        )),
    }
}

/// The place of a cursor that stands instead of an offset.
pub(super) fn cursor<T: DeserializeOwned>(
    cursor: Option<&Cursor>,
    offset: Option<u32>,
) -> Result<Option<T>, Problem> {
    if cursor.is_some() && offset.is_some_and(|offset| offset > 0) {
        let detail = "a page begins at a cursor or at an offset: give one of them";
        return Err(Problem::invalid("/cursor", detail));
    }
    cursor.map(Cursor::place).transpose()
}
