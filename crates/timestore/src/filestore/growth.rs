//! How much was added and removed, and how much there was, by bucket of time.
//!
//! A row of the activity is one leg, the change of its node. A move across the edge of the prefix,
//! or from one group to another, is two: the whole size comes in here and goes out there. Legs
//! before `from` are summed into one bucket without a start, so that totals are right from the
//! first bucket on.

use super::scope::{depth, directory, limit};
use super::{Question, ScopeQuery, integer, text};
use crate::error::Result;
use serde::Deserialize;
use std::collections::HashMap;
use utoipa::{IntoParams, ToSchema};

const BUCKETS_MAX: usize = 10_000;

/// How long a bucket is, in UTC. Weeks begin on Mondays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Bucket {
    Hour,
    #[default]
    Day,
    Week,
    Month,
}

/// What a series is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum GroupBy {
    /// A backend mount's id.
    Mount,
    /// A directory, `depth` levels below the prefix.
    Prefix,
    /// Who did it; nobody for what a scan found.
    Principal,
    /// The command.
    Command,
}

/// The question.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct GrowthQuery {
    /// How long a bucket is; a day, if left out.
    #[serde(default)]
    #[param(inline)]
    pub(crate) bucket: Bucket,
    /// One series for each of these.
    #[param(inline)]
    pub(crate) group_by: Option<GroupBy>,
    /// How many levels below the prefix the groups of `prefix` are; 1, if left out.
    pub(crate) depth: Option<usize>,
    /// At most so many points.
    pub(crate) limit: Option<usize>,
}

impl Bucket {
    const fn unit(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }
}

impl GroupBy {
    /// The group of a row whose path is in `column`.
    fn key(this: Option<Self>, column: &str) -> String {
        match this {
            None => "NULL::VARCHAR".to_owned(),
            Some(Self::Mount) => "backend_mount_id::VARCHAR".to_owned(),
            Some(Self::Prefix) => directory(column),
            Some(Self::Principal) => "principal".to_owned(),
            Some(Self::Command) => "command".to_owned(),
        }
    }
}

impl GrowthQuery {
    pub(crate) fn question(&self, scope: &ScopeQuery) -> Result<Question> {
        scope.check()?;
        let limit = limit(self.limit, BUCKETS_MAX, BUCKETS_MAX)?;
        let mut params = HashMap::from([
            ("bucket".to_owned(), text(self.bucket.unit())),
            ("limit".to_owned(), integer(limit + 1)),
        ]);
        if self.group_by == Some(GroupBy::Prefix) {
            params.insert("depth".to_owned(), integer(depth(self.depth, scope)?));
        }
        let inside = scope.inside("path", &mut params);
        let was_inside = scope.inside("previous_path", &mut params);
        let group = GroupBy::key(self.group_by, "path");
        let old_group = GroupBy::key(self.group_by, "previous_path");
        let crosses = if scope.prefix().is_none() && self.group_by != Some(GroupBy::Prefix) {
            "FALSE".to_owned()
        } else {
            format!(
                "(previous_path IS NOT NULL AND previous_path <> path \
                 AND ({inside} <> {was_inside} OR {group} IS DISTINCT FROM {old_group}))"
            )
        };
        let is_before = match scope.from {
            None => "FALSE".to_owned(),
            Some(_) => format!("NOT ({})", scope.since(&mut params)),
        };
        let rows = format!(
            "version IS NOT NULL AND {} AND {}",
            scope.in_mount(&mut params),
            scope.until(&mut params)
        );
        let sql = include_str!("../sql/growth.sql")
            .replace("{rows}", &rows)
            .replace("{crosses}", &crosses)
            .replace("{inside}", &inside)
            .replace("{was_inside}", &was_inside)
            .replace("{group}", &group)
            .replace("{old_group}", &old_group)
            .replace("{is_before}", &is_before)
            .replace("{on_disk}", "state IN ('active', 'inconsistent')");
        Ok(Question { sql, params, limit })
    }
}
