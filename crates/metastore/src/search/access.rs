//! Where a search begins, if no name leads it.
//!
//! Without statistics SQLite believes that a namespace holds ten records, and would walk through a
//! million of them rather than use the index of paths. So the one condition that is likely to
//! leave the fewest records decides here.

use super::compile::literal_prefix;
use super::field::{JsonField, METADATA};
use super::filter::{Filter, JsonTest, TagsTest, Test};
use super::indexed::Seek;

/// The table and index that a search begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// The records by a key.
    Key,
    /// The records of the namespaces.
    Namespace,
    /// An index of records other than that of namespaces.
    Record,
    /// The index of the nodes' paths.
    Path,
    /// The nodes that a walk came to.
    Nodes,
    /// The indexes of a field of the metadata.
    Field,
    /// The records that have metadata.
    Said,
    /// All records.
    Latest,
}

/// The best of the conditions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Best<'a> {
    pub(crate) access: Access,
    pub(crate) condition: &'a Filter,
    /// It leaves a handful of records: no name leaves fewer.
    pub(crate) is_unique: bool,
}

/// The condition that a search with this filter begins with, if an index answers one.
pub(crate) fn best<'a>(filter: Option<&'a Filter>, indexed: &[JsonField]) -> Option<Best<'a>> {
    let mut conditions = Vec::new();
    if let Some(filter) = filter {
        flatten(filter, &mut conditions);
    }
    conditions
        .into_iter()
        .filter_map(|condition| {
            let (rank, access) = match Seek::of(condition, indexed) {
                Some(_) => (2, Access::Field),
                None => rank(condition)?,
            };
            Some((rank, access, condition))
        })
        .min_by_key(|(rank, ..)| *rank)
        .map(|(rank, access, condition)| Best {
            access,
            condition,
            is_unique: rank <= 1,
        })
}

/// The conditions that must all hold.
pub(super) fn flatten<'a>(filter: &'a Filter, conditions: &mut Vec<&'a Filter>) {
    match filter {
        Filter::All(filters) => filters.iter().for_each(|it| flatten(it, conditions)),
        other => conditions.push(other),
    }
}

/// How few records a condition leaves, smaller for fewer, if an index answers it.
fn rank(condition: &Filter) -> Option<(u8, Access)> {
    match condition {
        Filter::Column(column, Test::Eq(Some(_))) => match column.name {
            "key" => Some((0, Access::Key)),
            "path" => Some((1, Access::Path)),
            "owner" => Some((3, Access::Record)),
            _ => None,
        },
        Filter::Tags(
            TagsTest::HasAll(_)
            | TagsTest::HasAny(_)
            | TagsTest::One(Test::Prefix(_) | Test::Glob(_)),
        ) => Some((2, Access::Record)),
        Filter::Column(column, Test::Prefix(prefix)) if column.name == "path" => {
            (!prefix.is_empty()).then_some((4, Access::Path))
        }
        Filter::Column(column, Test::Glob(glob)) if column.name == "path" => {
            (!literal_prefix(glob).is_empty()).then_some((4, Access::Path))
        }
        // Nothing inside of no metadata passes.
        Filter::Json(field, test) if field.sql == METADATA && is_there(test) => {
            Some((5, Access::Said))
        }
        Filter::Not(inner) => match &**inner {
            // `exists`.
            Filter::Json(field, JsonTest::Is(Test::Eq(None))) if field.sql == METADATA => {
                Some((5, Access::Said))
            }
            _ => None,
        },
        // `field:2024` is a number or text: each of them says that there is metadata.
        Filter::Any(filters) => {
            let says = |filter| rank(filter).is_some_and(|(_, access)| access == Access::Said);
            (!filters.is_empty() && filters.iter().all(says)).then_some((5, Access::Said))
        }
        _ => None,
    }
}

/// Whether only what is there passes the test.
fn is_there(test: &JsonTest) -> bool {
    *test != JsonTest::Is(Test::Eq(None))
}
