//! What a retention may be: an age alone, or rules with a mode.

use crate::error::{Error, Result};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A thousand years.
const AGE_MAX_HOURS: u32 = 24 * 365 * 1_000;

/// How long rows are to be kept: `maxAgeHours` alone, or `mode` and `rules`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RetentionRequest {
    /// Partitions are dropped when their range ended so many hours ago; null keeps all.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u32>)]
    max_age_hours: Option<Option<u32>>,
    /// Which of the rules hold; both, if left out.
    #[schema(inline)]
    mode: Option<Mode>,
    #[schema(inline)]
    rules: Option<Rules>,
    /// What is too old is kept so much longer.
    delete_grace_minutes: Option<u32>,
    /// There is no cold storage: leave it out.
    cold_storage_after_hours: Option<u32>,
    /// Kept as it is.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
}

/// Which rules hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// `maxAgeHours`.
    Time,
    /// `maxTotalBytes`.
    Size,
    /// Both.
    Hybrid,
}

/// What may be kept.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Rules {
    /// Partitions are dropped when their range ended so many hours ago.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_age_hours: Option<u32>,
    /// The oldest partitions are dropped while all have more bytes than this in memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_total_bytes: Option<i64>,
}

/// What holds of a request.
#[derive(Debug, PartialEq)]
pub(super) struct Checked {
    pub(super) max_age_hours: Option<u32>,
    pub(super) max_total_bytes: Option<i64>,
    /// The request in its form with `mode` and `rules`.
    pub(super) policy: Option<Value>,
}

/// A member that is there, null or not.
fn present<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<Option<u32>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl RetentionRequest {
    pub(super) fn checked(&self) -> Result<Checked> {
        if self.cold_storage_after_hours.is_some() {
            let detail = "there is no cold storage here; leave it out";
            return Err(Error::invalid("/coldStorageAfterHours", detail));
        }
        match (self.max_age_hours, self.mode, &self.rules) {
            (Some(hours), None, None) => {
                check_age(hours, "/maxAgeHours")?;
                Ok(Checked {
                    max_age_hours: hours,
                    max_total_bytes: None,
                    policy: None,
                })
            }
            (None, None, None) => Err(Error::invalid(
                "/maxAgeHours",
                "give maxAgeHours (null keeps all rows), or mode and rules",
            )),
            (Some(_), _, _) => Err(Error::invalid(
                "/maxAgeHours",
                "give either maxAgeHours, or mode and rules",
            )),
            (None, mode, rules) => self.policy(mode, rules.unwrap_or_default()),
        }
    }

    fn policy(&self, mode: Option<Mode>, rules: Rules) -> Result<Checked> {
        check_age(rules.max_age_hours, "/rules/maxAgeHours")?;
        if rules.max_total_bytes.is_some_and(|bytes| bytes <= 0) {
            let detail = "a size has at least one byte";
            return Err(Error::invalid("/rules/maxTotalBytes", detail));
        }
        let mut policy = Map::from_iter([("rules".to_owned(), serde_json::to_value(rules)?)]);
        if let Some(mode) = mode {
            policy.insert("mode".to_owned(), serde_json::to_value(mode)?);
        }
        if let Some(minutes) = self.delete_grace_minutes {
            policy.insert("deleteGraceMinutes".to_owned(), minutes.into());
        }
        if let Some(metadata) = &self.metadata {
            policy.insert("metadata".to_owned(), Value::Object(metadata.clone()));
        }
        Ok(Checked {
            max_age_hours: rules.max_age_hours.filter(|_| mode != Some(Mode::Size)),
            max_total_bytes: rules.max_total_bytes.filter(|_| mode != Some(Mode::Time)),
            policy: Some(Value::Object(policy)),
        })
    }
}

/// How much longer than its age a partition is kept.
pub(super) fn grace_minutes(policy: Option<&Value>) -> i64 {
    policy
        .and_then(|policy| policy.get("deleteGraceMinutes")?.as_i64())
        .unwrap_or(0)
}

fn check_age(hours: Option<u32>, pointer: &str) -> Result<()> {
    if hours.is_some_and(|hours| hours == 0 || hours > AGE_MAX_HOURS) {
        let detail = format!("an age has 1 to {AGE_MAX_HOURS} hours");
        return Err(Error::invalid(pointer, detail));
    }
    Ok(())
}
