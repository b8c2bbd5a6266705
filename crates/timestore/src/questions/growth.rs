//! How much was added and removed, and how much there was, by bucket of time.
//!
//! A row of the activity is one leg, the change of its node. A move across the edge of the prefix,
//! or from one group to another, is two: the whole size comes in here and goes out there. Legs
//! before `from` are summed into one bucket without a start, so that totals are right from the
//! first bucket on.
//!
//! Where only mounts matter, the sums by hour stand for the rows
//! ([`crate::sink::hours`](crate::sink)); for everything else every row is read.

use super::owner::{GROUP, OLD_EXTENSION, OLD_GROUP, OLD_USER, USER};
use super::scope::{depth, directory, limit};
use super::{COUNT, MOUNT, OLD_MOUNT, Pages, Question, ScopeQuery, WEIGHT, integer};
use crate::error::Result;
use duckdb::types::Value;
use serde::Deserialize;
use std::collections::HashMap;
use utoipa::{IntoParams, ToSchema};

const BUCKETS_MAX: usize = 10_000;
const HOUR_MICROS: i64 = 3_600_000_000;

type Params = HashMap<String, Value>;

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
    /// Whose the file is; one that gets another owner goes from the one and comes to the other.
    User,
    /// Which group's the file is; as above.
    Group,
    /// What follows the last dot of the name.
    Extension,
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
    #[param(minimum = 1, maximum = 64)]
    pub(crate) depth: Option<usize>,
    /// At most so many points.
    #[param(minimum = 1, maximum = 10000)]
    pub(crate) limit: Option<usize>,
}

impl Bucket {
    /// The start of the bucket of `observed_at`. Days are taken first where they do: they are
    /// cheaper than truncating.
    const fn start(self) -> &'static str {
        match self {
            Self::Hour => "date_trunc('hour', observed_at)",
            Self::Day => "observed_at::DATE",
            Self::Week => "date_trunc('week', observed_at::DATE)",
            Self::Month => "date_trunc('month', observed_at::DATE)",
        }
    }
}

impl GroupBy {
    /// The group of a row whose path and mount are in these columns.
    fn key(this: Option<Self>, path: &str, mount: &str) -> String {
        match this {
            None => "NULL::VARCHAR".to_owned(),
            Some(Self::Mount) => format!("({mount})::VARCHAR"),
            Some(Self::Prefix) => directory(path),
            Some(Self::Principal) => "principal".to_owned(),
            Some(Self::Command) => "command".to_owned(),
            Some(Self::User) => USER.to_owned(),
            Some(Self::Group) => GROUP.to_owned(),
            Some(Self::Extension) => "extension".to_owned(),
        }
    }

    /// The group before the row's change.
    fn old_key(this: Option<Self>) -> String {
        match this {
            Some(Self::User) => OLD_USER.to_owned(),
            Some(Self::Group) => OLD_GROUP.to_owned(),
            Some(Self::Extension) => OLD_EXTENSION.to_owned(),
            _ => Self::key(this, "previous_path", OLD_MOUNT),
        }
    }

    /// Whether a node may change its group and keep its path.
    const fn is_by_owner(self) -> bool {
        matches!(self, Self::User | Self::Group)
    }
}

impl GrowthQuery {
    pub(crate) fn question(&self, scope: &ScopeQuery) -> Result<Question> {
        scope.check()?;
        let limit = limit(self.limit, BUCKETS_MAX, BUCKETS_MAX)?;
        let mut params = HashMap::from([("limit".to_owned(), integer(limit + 1))]);
        if self.group_by == Some(GroupBy::Prefix) {
            params.insert("depth".to_owned(), integer(depth(self.depth, scope)?));
        }
        let reads_hours =
            scope.is_of_all_paths() && matches!(self.group_by, None | Some(GroupBy::Mount));
        let legs = if reads_hours {
            self.summed(scope, &mut params)
        } else {
            let rows = scope.until(&mut params);
            self.rows(scope, rows, &mut params)
        };
        Ok(Question {
            sql: include_str!("../sql/growth.sql").replace("{legs}", &legs),
            params,
            limit,
            reads_hours,
            by_source: None,
            pages: Pages::None,
        })
    }

    /// The start of a leg's bucket, or NULL before the range.
    fn start(&self, scope: &ScopeQuery, params: &mut Params) -> String {
        let start = self.bucket.start();
        match scope.from {
            None => start.to_owned(),
            Some(_) => format!("CASE WHEN {} THEN {start} END", scope.since(params)),
        }
    }

    /// The legs of the activity's rows for which `rows` holds.
    fn rows(&self, scope: &ScopeQuery, rows: &str, params: &mut Params) -> String {
        let inside = scope.inside("path", MOUNT, params);
        let mut was_inside = scope.inside("previous_path", OLD_MOUNT, params);
        let group = GroupBy::key(self.group_by, "path", MOUNT);
        let old_group = GroupBy::old_key(self.group_by);
        let is_by_owner = self.group_by.is_some_and(GroupBy::is_by_owner);
        if is_by_owner {
            was_inside =
                format!("(CASE WHEN previous_path IS NULL THEN {inside} ELSE {was_inside} END)");
        }
        let is_one = scope.is_of_all_paths()
            && scope.mount.is_none()
            && matches!(
                self.group_by,
                None | Some(GroupBy::Principal | GroupBy::Command)
            );
        let crosses = if is_one {
            "FALSE".to_owned()
        } else if is_by_owner {
            format!(
                "coalesce({inside} <> {was_inside} OR ({group}) IS DISTINCT FROM ({old_group}), FALSE)"
            )
        } else {
            format!(
                "(previous_path IS NOT NULL \
                 AND ({inside} <> {was_inside} OR {group} IS DISTINCT FROM {old_group}))"
            )
        };
        include_str!("../sql/growth_rows.sql")
            .replace("{rows}", rows)
            .replace("{crosses}", &crosses)
            .replace("{inside}", &inside)
            .replace("{was_inside}", &was_inside)
            .replace("{start}", &self.start(scope, params))
            .replace("{group}", &group)
            .replace("{old_group}", &old_group)
            .replace("{weight}", WEIGHT)
            .replace("{count}", COUNT)
    }

    /// The same from the sums by hour: whole hours as they are summed, and rows only after the
    /// last entry that is summed and in the hours that the range cuts.
    fn summed(&self, scope: &ScopeQuery, params: &mut Params) -> String {
        let is_by_mount = scope.mount.is_some() || self.group_by.is_some();
        let cut = cut_hours(scope);
        let mut whole = format!(
            "{} AND {}",
            scope.inside("NULL", MOUNT, params),
            scope.until(params)
        );
        for hour in &cut {
            whole.push_str(&format!(" AND observed_at <> make_timestamp({hour})"));
        }
        let sums = include_str!("../sql/growth_summed.sql")
            .replace("{start}", &self.start(scope, params))
            .replace("{group}", &GroupBy::key(self.group_by, "NULL", MOUNT))
            .replace("{moves}", if is_by_mount { "edge" } else { "moved" })
            .replace("{rows}", &whole);
        let until = scope.until(params);
        let mut legs = vec![
            sums,
            self.rows(scope, &format!("journal_id > $summed AND {until}"), params),
        ];
        for hour in cut {
            let rows = format!(
                "journal_id <= $summed AND observed_at >= make_timestamp({hour}) \
                 AND observed_at < make_timestamp({}) AND {until}",
                hour + HOUR_MICROS
            );
            legs.push(self.rows(scope, &rows, params));
        }
        legs.join("    UNION ALL\n")
    }
}

/// The hours that the range cuts in two, in microseconds.
fn cut_hours(scope: &ScopeQuery) -> Vec<i64> {
    let mut hours: Vec<i64> = [scope.from, scope.to]
        .into_iter()
        .flatten()
        .map(journal::Time::as_micros)
        .filter(|time| time.rem_euclid(HOUR_MICROS) != 0)
        .map(|time| time.div_euclid(HOUR_MICROS) * HOUR_MICROS)
        .collect();
    hours.dedup();
    hours
}
