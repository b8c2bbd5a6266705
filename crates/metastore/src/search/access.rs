//! Where a search begins.
//!
//! Without statistics SQLite believes that a namespace holds ten records, and would walk through a
//! million of them rather than use the index of paths. So the one condition that is likely to
//! leave the fewest records decides here.

use super::compile::literal_prefix;
use super::filter::{Filter, TagsTest, Test};

/// The table and index that a search begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// The records of the namespaces.
    Namespace,
    /// An index of records other than that of namespaces.
    Record,
    /// The index of the nodes' paths.
    Path,
}

/// Where a search with this filter begins.
pub(crate) fn access(filter: Option<&Filter>) -> Access {
    let mut conditions = Vec::new();
    if let Some(filter) = filter {
        flatten(filter, &mut conditions);
    }
    conditions
        .into_iter()
        .filter_map(rank)
        .min_by_key(|(rank, _)| *rank)
        .map_or(Access::Namespace, |(_, access)| access)
}

/// The conditions that must all hold.
fn flatten<'a>(filter: &'a Filter, conditions: &mut Vec<&'a Filter>) {
    match filter {
        Filter::All(filters) => filters.iter().for_each(|it| flatten(it, conditions)),
        other => conditions.push(other),
    }
}

/// How few records a condition leaves, smaller for fewer, if an index answers it.
fn rank(condition: &Filter) -> Option<(u8, Access)> {
    match condition {
        Filter::Column(column, Test::Eq(Some(_))) => match column.name {
            "key" => Some((0, Access::Namespace)),
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
        _ => None,
    }
}
