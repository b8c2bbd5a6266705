//! The files that stand out: the largest, the fastest growing, those untouched for longest.

use super::scope::limit;
use super::{MOUNT, Question, ScopeQuery, integer};
use crate::error::Result;
use serde::Deserialize;
use std::collections::HashMap;
use utoipa::{IntoParams, ToSchema};

const FILES_DEFAULT: usize = 20;
const FILES_MAX: usize = 1_000;

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
    pub(crate) limit: Option<usize>,
}

impl TopQuery {
    pub(crate) fn question(&self, scope: &ScopeQuery) -> Result<Question> {
        scope.check()?;
        let limit = limit(self.limit, FILES_DEFAULT, FILES_MAX)?;
        let mut params = HashMap::from([("limit".to_owned(), integer(limit + 1))]);
        let in_range = format!(
            "{} AND {}",
            scope.since(&mut params),
            scope.until(&mut params)
        );
        let rows = scope.inside("path", MOUNT, &mut params);
        let (only, order) = match self.by {
            TopBy::Largest => ("TRUE", "\"sizeBytes\" DESC"),
            TopBy::Growing => ("\"grownBytes\" > 0", "\"grownBytes\" DESC"),
            TopBy::Untouched => ("TRUE", "\"modifiedAt\""),
        };
        let sql = include_str!("../sql/top.sql")
            .replace("{rows}", &rows)
            .replace("{in_range}", &in_range)
            .replace("{only}", only)
            .replace("{order}", order);
        Ok(Question {
            sql,
            params,
            limit,
            reads_hours: false,
        })
    }
}
