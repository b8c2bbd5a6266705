//! What is rewritten, moved and deleted most.

use super::owner::{GROUP, USER};
use super::scope::{depth, directory, limit};
use super::{Key, MOUNT, OLD_MOUNT, PageQuery, Pages, Question, ScopeQuery, integer};
use crate::error::Result;
use serde::Deserialize;
use std::collections::HashMap;
use utoipa::{IntoParams, ToSchema};

const GROUPS_DEFAULT: usize = 20;
const GROUPS_MAX: usize = 1_000;

/// What is counted together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ChurnBy {
    /// A directory, `depth` levels below the prefix; a moved node counts where it moved to.
    #[default]
    Prefix,
    /// Who did it.
    Principal,
    /// The command.
    Command,
    /// Whose the file is.
    User,
    /// Which group's the file is.
    Group,
    /// What follows the last dot of the name.
    Extension,
    /// Each node by itself, under its latest path.
    Node,
}

/// What the order is by, the most first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ChurnOrder {
    /// All changes together.
    #[default]
    Changes,
    /// Contents replaced.
    Rewritten,
    /// Moves.
    Moved,
    /// Deleted, or gone from the disk.
    Deleted,
    /// New nodes, and files that came back.
    Created,
    /// Bytes of new and replaced contents.
    BytesWritten,
}

/// The question.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct ChurnQuery {
    /// What is counted together; directories, if left out.
    #[serde(default)]
    #[param(inline)]
    pub(crate) group_by: ChurnBy,
    /// How many levels below the prefix the directories are; 1, if left out.
    #[param(minimum = 1, maximum = 64)]
    pub(crate) depth: Option<usize>,
    /// What comes first.
    #[serde(default)]
    #[param(inline)]
    pub(crate) order: ChurnOrder,
    /// At most so many; 20, if left out.
    #[param(minimum = 1, maximum = 1000)]
    pub(crate) limit: Option<usize>,
}

impl ChurnOrder {
    const fn column(self) -> &'static str {
        match self {
            Self::Changes => "changes",
            Self::Rewritten => "rewritten",
            Self::Moved => "moved",
            Self::Deleted => "deleted",
            Self::Created => "created",
            Self::BytesWritten => "bytesWritten",
        }
    }
}

impl ChurnQuery {
    pub(crate) fn question(&self, scope: &ScopeQuery, page: &PageQuery) -> Result<Question> {
        scope.check()?;
        let limit = limit(self.limit, GROUPS_DEFAULT, GROUPS_MAX)?;
        let mut params = HashMap::from([("limit".to_owned(), integer(limit + 1))]);
        let (key, shown) = match self.group_by {
            ChurnBy::Prefix => {
                params.insert("depth".to_owned(), integer(depth(self.depth, scope)?));
                (directory("path"), "group_key")
            }
            ChurnBy::Principal => ("principal".to_owned(), "group_key"),
            ChurnBy::Command => ("command".to_owned(), "group_key"),
            ChurnBy::User => (USER.to_owned(), "group_key"),
            ChurnBy::Group => (GROUP.to_owned(), "group_key"),
            ChurnBy::Extension => ("extension".to_owned(), "group_key"),
            ChurnBy::Node => ("node_id::VARCHAR".to_owned(), "arg_max(path, journal_id)"),
        };
        let node_id = if self.group_by == ChurnBy::Node {
            "any_value(node_id)"
        } else {
            "NULL::BIGINT"
        };
        let mut inside = vec![scope.inside("path", MOUNT, &mut params)];
        // A node that left is counted where it went, which a limited caller may not see.
        if !scope.sight.is_limited() {
            inside.push(scope.inside("previous_path", OLD_MOUNT, &mut params));
        }
        let rows = format!(
            "version IS NOT NULL AND journal_id <= $head AND {} AND ({})",
            scope.in_range(&mut params),
            inside.join(" OR ")
        );
        // Several nodes may have had the same path.
        let keys = vec![
            Key::descending(self.order.column(), "HUGEINT"),
            Key::ascending("group", "VARCHAR"),
            Key::ascending("nodeId", "BIGINT"),
        ];
        let page = page.page(&keys, &mut params)?;
        let sql = include_str!("../sql/churn.sql")
            .replace("{after}", &page.condition)
            .replace("{rows}", &rows)
            .replace("{key}", &key)
            .replace("{shown}", shown)
            .replace("{node_id}", node_id)
            .replace("{order}", self.order.column());
        let pages = Pages::Pinned(keys, page.head);
        Ok(Question::of_rows(sql, params, limit, pages))
    }
}
