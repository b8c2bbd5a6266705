//! The body of a query.

use crate::ingest::TimeRange;
use crate::words::Scalar;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What rows are asked for.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QueryRequest {
    /// Rows from its start, up to and without its end.
    pub(crate) time_range: TimeRange,
    /// The field that the range is of: `timestamp`, or the first of type timestamp, if left out.
    pub(crate) timestamp_column: Option<String>,
    /// The fields of raw rows; all, if left out.
    pub(crate) columns: Option<Vec<String>>,
    /// Which of the rows.
    pub(crate) filters: Option<QueryFilters>,
    /// One row an interval instead of the raw rows.
    pub(crate) downsample: Option<Downsample>,
    /// At most 10,000; 1,000 if left out.
    #[schema(minimum = 1, maximum = 10_000)]
    pub(crate) limit: Option<usize>,
}

/// Every one of them has to hold.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QueryFilters {
    /// By a name of the partition key: a list of values, or a predicate on the text.
    #[serde(default)]
    pub(crate) partition_key: BTreeMap<String, Values>,
    /// By the values of a field.
    #[serde(default)]
    pub(crate) columns: BTreeMap<String, Predicate>,
}

/// A list of allowed values, or a predicate.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Values {
    /// Short for `{"in": […]}`.
    #[schema(value_type = Vec<Scalar>)]
    List(Vec<Value>),
    /// What has to hold.
    Predicate(Box<Predicate>),
}

/// What has to hold for a field; every one that is given has to.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Predicate {
    #[schema(value_type = Option<Scalar>)]
    pub eq: Option<Value>,
    #[schema(value_type = Option<Scalar>)]
    pub neq: Option<Value>,
    #[schema(value_type = Option<Scalar>)]
    pub lt: Option<Value>,
    #[schema(value_type = Option<Scalar>)]
    pub lte: Option<Value>,
    #[schema(value_type = Option<Scalar>)]
    pub gt: Option<Value>,
    #[schema(value_type = Option<Scalar>)]
    pub gte: Option<Value>,
    #[serde(rename = "in")]
    #[schema(value_type = Option<Vec<Scalar>>)]
    pub is_in: Option<Vec<Value>>,
    /// Two values, both of which belong to the range.
    #[schema(value_type = Option<Vec<Scalar>>)]
    pub between: Option<Vec<Value>>,
    /// For text.
    pub contains: Option<String>,
    /// For text.
    pub prefix: Option<String>,
    pub is_null: Option<bool>,
}

/// One row for every interval that has rows.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Downsample {
    /// The unit of the interval.
    #[serde(default)]
    pub(crate) interval_unit: IntervalUnit,
    /// How many units an interval has.
    #[serde(default = "one")]
    pub(crate) interval_size: u32,
    /// What is told of each interval.
    pub(crate) aggregations: Vec<Aggregation>,
}

const fn one() -> u32 {
    1
}

/// A unit of time, in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum IntervalUnit {
    Second,
    #[default]
    Minute,
    Hour,
    Day,
    Week,
    Month,
}

/// One column of a downsampled row.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub(crate) struct Aggregation {
    /// What is made of the interval's values.
    #[serde(rename = "fn")]
    pub(crate) function: Function,
    /// The field; only `count` may go without.
    pub(crate) column: Option<String>,
    /// For `percentile`, between 0 and 1.
    pub(crate) percentile: Option<f64>,
    /// The column's name; `<fn>_<column>`, if left out.
    pub(crate) alias: Option<String>,
}

/// An aggregation's function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Function {
    Avg,
    Min,
    Max,
    Sum,
    Median,
    Count,
    CountDistinct,
    Percentile,
}

impl Function {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Max => "max",
            Self::Sum => "sum",
            Self::Median => "median",
            Self::Count => "count",
            Self::CountDistinct => "count_distinct",
            Self::Percentile => "percentile",
        }
    }

    pub(crate) const fn needs_numbers(self) -> bool {
        matches!(
            self,
            Self::Avg | Self::Sum | Self::Median | Self::Percentile
        )
    }
}
