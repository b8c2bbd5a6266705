//! Files that have the same contents, as far as their hashes are known.

use super::scope::limit;
use super::top::MODIFIED;
use super::{Key, MOUNT, PageQuery, Pages, Question, ScopeQuery, integer};
use crate::error::Result;
use crate::query::micros;
use journal::Time;
use serde::Deserialize;
use std::collections::HashMap;
use utoipa::IntoParams;

const GROUPS_DEFAULT: usize = 100;
const GROUPS_MAX: usize = 1_000;

/// The question.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct DuplicatesQuery {
    /// The time; changes at it belong to it. Now, if left out.
    #[param(value_type = Option<String>, format = DateTime)]
    pub(crate) at: Option<Time>,
    /// At most so many groups; 100, if left out.
    #[param(minimum = 1, maximum = 1000)]
    pub(crate) limit: Option<usize>,
}

impl DuplicatesQuery {
    pub(crate) fn question(&self, scope: &ScopeQuery, page: &PageQuery) -> Result<Question> {
        scope.check()?;
        scope.is_without_range()?;
        let limit = limit(self.limit, GROUPS_DEFAULT, GROUPS_MAX)?;
        let mut params = HashMap::from([("limit".to_owned(), integer(limit + 1))]);
        let until = match self.at {
            None => "TRUE",
            Some(at) => {
                params.insert("at".to_owned(), micros(at.as_micros()));
                "observed_at <= $at"
            }
        };
        let rows = scope.inside("path", MOUNT, &mut params);
        let keys = vec![
            Key::descending("savedBytes", "HUGEINT"),
            Key::ascending("contentHash", "VARCHAR"),
        ];
        let page = page.page(&keys, &mut params)?;
        let sql = include_str!("../sql/duplicates.sql")
            .replace("{latest}", include_str!("../sql/latest.sql"))
            .replace("{after}", &page.condition)
            .replace("{until}", until)
            .replace("{modified}", MODIFIED)
            .replace("{rows}", &rows);
        let pages = Pages::Pinned(keys, page.head);
        Ok(Question::of_rows(sql, params, limit, pages))
    }
}
