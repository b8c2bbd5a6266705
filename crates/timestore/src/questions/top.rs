//! The files that stand out: the largest, the fastest growing, those untouched for longest.

use super::scope::limit;
use super::{Key, MOUNT, PageQuery, Pages, Question, ScopeQuery, integer};
use crate::error::Result;
use serde::Deserialize;
use std::collections::HashMap;
use utoipa::{IntoParams, ToSchema};

const FILES_DEFAULT: usize = 20;
const FILES_MAX: usize = 1_000;

/// When the contents were last modified, as far as a row tells.
pub(crate) const MODIFIED: &str = "coalesce(modified_at, \
     try_cast(json_extract_string(metadata_json, '$.lastModifiedAt') AS TIMESTAMP), observed_at)";

/// What makes a file stand out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TopBy {
    /// Its size now.
    #[default]
    Largest,
    /// How much it grew in the range of time.
    Growing,
    /// How long ago its contents were last modified on disk, as far as that is known, else when it
    /// last changed here.
    Untouched,
}

/// The question.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct TopQuery {
    /// What makes a file stand out; its size, if left out.
    #[serde(default)]
    #[param(inline)]
    pub(crate) by: TopBy,
    /// At most so many; 20, if left out.
    #[param(minimum = 1, maximum = 1000)]
    pub(crate) limit: Option<usize>,
}

impl TopQuery {
    pub(crate) fn question(&self, scope: &ScopeQuery, page: &PageQuery) -> Result<Question> {
        scope.check()?;
        let limit = limit(self.limit, FILES_DEFAULT, FILES_MAX)?;
        let mut params = HashMap::from([("limit".to_owned(), integer(limit + 1))]);
        let in_range = format!(
            "{} AND {}",
            scope.since(&mut params),
            scope.until(&mut params)
        );
        let rows = scope.inside("path", MOUNT, &mut params);
        let (only, key, direction, by) = match self.by {
            TopBy::Largest => (
                "TRUE",
                "sizeBytes",
                "DESC",
                Key::descending("sizeBytes", "HUGEINT"),
            ),
            TopBy::Growing => (
                "\"grownBytes\" > 0",
                "grownBytes",
                "DESC",
                Key::descending("grownBytes", "HUGEINT"),
            ),
            TopBy::Untouched => (
                "TRUE",
                "modifiedAt",
                "ASC",
                Key::ascending("modifiedAt", "TIMESTAMP"),
            ),
        };
        let keys = vec![by, Key::ascending("nodeId", "BIGINT")];
        let page = page.page(&keys, &mut params)?;
        // Looked for in every row, which takes time, only where it decides.
        let latest_modified = match self.by {
            TopBy::Untouched => format!("arg_max({MODIFIED}, journal_id)"),
            _ => "NULL::TIMESTAMP".to_owned(),
        };
        let sql = include_str!("../sql/top.sql")
            .replace("{after}", &page.condition)
            .replace("{rows}", &rows)
            .replace("{in_range}", &in_range)
            .replace("{latest_modified}", &latest_modified)
            .replace("{modified}", MODIFIED)
            .replace("{only}", only)
            .replace("{key}", key)
            .replace("{direction}", direction);
        Ok(Question {
            sql,
            params,
            limit,
            reads_hours: false,
            by_source: None,
            pages: Pages::Pinned(keys, page.head),
        })
    }
}
