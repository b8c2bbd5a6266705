//! The files and directories that stand out: the largest, the fastest growing, those untouched for
//! longest.

use super::scope::{depth, directory, limit};
use super::{
    COUNT, Key, MOUNT, OLD_MOUNT, PageQuery, Pages, Question, ScopeQuery, WEIGHT, integer,
};
use crate::error::{Error, Result};
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

/// What is looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TopOf {
    #[default]
    Files,
    /// With everything below them.
    Directories,
}

/// The question.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct TopQuery {
    /// What makes a file or a directory stand out; its size, if left out.
    #[serde(default)]
    #[param(inline)]
    pub(crate) by: TopBy,
    /// What is looked for; files, if left out. A directory has the bytes of all files below it, and
    /// is untouched since the last change of one of them.
    #[serde(default)]
    #[param(inline)]
    pub(crate) of: TopOf,
    /// How many levels below the prefix the directories go; 1, if left out.
    #[param(minimum = 1, maximum = 64)]
    pub(crate) depth: Option<usize>,
    /// At most so many; 20, if left out.
    #[param(minimum = 1, maximum = 1000)]
    pub(crate) limit: Option<usize>,
}

impl TopQuery {
    pub(crate) fn question(&self, scope: &ScopeQuery, page: &PageQuery) -> Result<Question> {
        match self.of {
            TopOf::Files if self.depth.is_some() => {
                let detail =
                    "a depth goes with of=directories only: leave it out, or look for them";
                Err(Error::invalid("/depth", detail))
            }
            TopOf::Files => self.files(scope, page),
            TopOf::Directories => self.directories(scope, page),
        }
    }

    fn directories(&self, scope: &ScopeQuery, page: &PageQuery) -> Result<Question> {
        scope.check()?;
        let limit = limit(self.limit, FILES_DEFAULT, FILES_MAX)?;
        let mut params = HashMap::from([
            ("limit".to_owned(), integer(limit + 1)),
            ("depth".to_owned(), integer(depth(self.depth, scope)?)),
            ("above".to_owned(), integer(scope.depth())),
        ]);
        let in_range = scope.in_range(&mut params);
        let inside = scope.inside("path", MOUNT, &mut params);
        let was_inside = scope.inside("previous_path", OLD_MOUNT, &mut params);
        let (only, direction, by) = match self.by {
            TopBy::Largest => ("files > 0", "DESC", Key::descending("sizeBytes", "HUGEINT")),
            TopBy::Growing => (
                "\"grownBytes\" > 0",
                "DESC",
                Key::descending("grownBytes", "HUGEINT"),
            ),
            TopBy::Untouched => (
                "files > 0",
                "ASC",
                Key::ascending("lastChangeAt", "TIMESTAMP"),
            ),
        };
        let keys = vec![
            by,
            Key::ascending("path", "VARCHAR"),
            Key::ascending("backendMountId", "BIGINT"),
        ];
        let page = page.page(&keys, &mut params)?;
        let sql = include_str!("../sql/top_directories.sql")
            .replace("{after}", &page.condition)
            .replace("{in_range}", &in_range)
            .replace("{inside}", &inside)
            .replace("{was_inside}", &was_inside)
            .replace("{mount}", MOUNT)
            .replace("{old_mount}", OLD_MOUNT)
            .replace("{directory}", &directory("path"))
            .replace("{old_directory}", &directory("previous_path"))
            .replace("{weight}", WEIGHT)
            .replace("{count}", COUNT)
            .replace("{only}", only)
            .replace("{key}", by.column)
            .replace("{direction}", direction);
        let pages = Pages::Pinned(keys, page.head);
        Ok(Question::of_rows(sql, params, limit, pages))
    }

    fn files(&self, scope: &ScopeQuery, page: &PageQuery) -> Result<Question> {
        scope.check()?;
        let limit = limit(self.limit, FILES_DEFAULT, FILES_MAX)?;
        let mut params = HashMap::from([("limit".to_owned(), integer(limit + 1))]);
        let in_range = scope.in_range(&mut params);
        let rows = scope.inside("path", MOUNT, &mut params);
        let (only, direction, by) = match self.by {
            TopBy::Largest => ("TRUE", "DESC", Key::descending("sizeBytes", "HUGEINT")),
            TopBy::Growing => (
                "\"grownBytes\" > 0",
                "DESC",
                Key::descending("grownBytes", "HUGEINT"),
            ),
            TopBy::Untouched => ("TRUE", "ASC", Key::ascending("modifiedAt", "TIMESTAMP")),
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
            .replace("{key}", by.column)
            .replace("{direction}", direction);
        let pages = Pages::Pinned(keys, page.head);
        Ok(Question::of_rows(sql, params, limit, pages))
    }
}
