//! A dataset's rows in a range of time, as they are or downsampled: a request becomes SQL, purely.
//!
//! Column names come from the catalogue and are quoted; every value is bound. Buckets are
//! DuckDB's `time_bucket` in UTC: months from 2000-01-01, all else from 2000-01-03, a Monday, so
//! that days begin at midnight and weeks on Mondays.

mod filter;
mod request;

pub(crate) use request::{
    Aggregation, Downsample, Function, IntervalUnit, Predicate, QueryFilters, QueryRequest, Values,
};

use crate::catalogue::{Dataset, PARTITION_COLUMN};
use crate::error::{Error, Result};
use crate::schema::{Field, FieldType, quote};
use duckdb::types::{TimeUnit, Value};
use std::collections::HashSet;

const LIMIT_DEFAULT: usize = 1_000;
const LIMIT_MAX: usize = 10_000;
const ALIAS_MAX_BYTES: usize = 120;
const INTERVAL_MAX: u32 = 1_000_000;

/// What to run.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) sql: String,
    pub(crate) params: Vec<Value>,
    pub(crate) mode: &'static str,
    pub(crate) limit: usize,
}

/// The statement that answers the request from `source`, which stands for the dataset's table.
pub(crate) fn plan(dataset: &Dataset, source: &str, request: &QueryRequest) -> Result<Plan> {
    if request.time_range.end < request.time_range.start {
        return Err(Error::invalid(
            "/timeRange/end",
            "the range ends before its start",
        ));
    }
    let time = timestamp_column(dataset, request.timestamp_column.as_deref())?;
    let limit = request.limit.unwrap_or(LIMIT_DEFAULT);
    if limit == 0 || limit > LIMIT_MAX {
        let detail = format!("a limit lies between 1 and {LIMIT_MAX}");
        return Err(Error::invalid("/limit", detail));
    }
    // The select list comes first in the text, so its parameters do too.
    let mut params = Vec::new();
    let (select, group) = match &request.downsample {
        None => (raw_columns(dataset, request.columns.as_deref(), time)?, ""),
        Some(downsample) => {
            if request.columns.is_some() {
                let detail = "downsampled rows have the columns of their aggregations";
                return Err(Error::invalid("/columns", detail));
            }
            (
                downsampled(dataset, downsample, time, &mut params)?,
                "GROUP BY 1",
            )
        }
    };
    let mut conditions = vec![format!("{t} >= ? AND {t} < ?", t = quote(&time.name))];
    params.push(micros(request.time_range.start.as_micros()));
    params.push(micros(request.time_range.end.as_micros()));
    if let Some(filters) = &request.filters {
        filter::conditions(dataset, filters, &mut conditions, &mut params)?;
    }
    let order = if group.is_empty() {
        quote(&time.name)
    } else {
        "1".to_owned()
    };
    let sql = format!(
        "SELECT {select} FROM {source} WHERE {} {group} ORDER BY {order} LIMIT {}",
        conditions.join(" AND "),
        limit + 1,
    );
    let mode = if group.is_empty() {
        "raw"
    } else {
        "downsampled"
    };
    Ok(Plan {
        sql,
        params,
        mode,
        limit,
    })
}

pub(crate) const fn micros(value: i64) -> Value {
    Value::Timestamp(TimeUnit::Microsecond, value)
}

/// The column that is meant, else `timestamp`, else the first that holds times.
fn timestamp_column<'a>(dataset: &'a Dataset, name: Option<&str>) -> Result<&'a Field> {
    let times = || {
        dataset
            .fields
            .iter()
            .filter(|field| field.kind == FieldType::Timestamp)
    };
    let Some(name) = name else {
        return times()
            .find(|field| field.name == "timestamp")
            .or_else(|| times().next())
            .ok_or_else(|| {
                let detail = format!(
                    "the dataset {:?} has no field of type timestamp",
                    dataset.slug
                );
                Error::invalid("/timestampColumn", detail)
            });
    };
    let field = known(dataset, name, "/timestampColumn")?;
    if field.kind == FieldType::Timestamp {
        return Ok(field);
    }
    let detail = format!("{name:?} is a {} and not a timestamp", field.kind.word());
    Err(Error::invalid("/timestampColumn", detail))
}

/// The dataset's field of this name, or an error that lists its fields.
fn known<'a>(dataset: &'a Dataset, name: &str, pointer: &str) -> Result<&'a Field> {
    dataset.field(name).ok_or_else(|| {
        let names: Vec<_> = dataset
            .fields
            .iter()
            .map(|field| field.name.as_str())
            .collect();
        let detail = format!(
            "the dataset {:?} has no field {name:?}; it has {}",
            dataset.slug,
            names.join(", ")
        );
        Error::invalid(pointer, detail)
    })
}

fn raw_columns(dataset: &Dataset, columns: Option<&[String]>, time: &Field) -> Result<String> {
    let Some(columns) = columns.filter(|columns| !columns.is_empty()) else {
        let all: Vec<_> = dataset
            .fields
            .iter()
            .map(|field| quote(&field.name))
            .collect();
        return Ok(all.join(", "));
    };
    let mut seen = HashSet::new();
    let mut list = Vec::new();
    for (index, name) in columns.iter().enumerate() {
        if !dataset.is_activity && name == PARTITION_COLUMN {
            list.push(quote(name));
            continue;
        }
        let field = known(dataset, name, &format!("/columns/{index}"))?;
        if seen.insert(&field.name) {
            list.push(quote(&field.name));
        }
    }
    // The rows are in the order of time, which is of little use without it.
    if !seen.contains(&time.name) {
        list.insert(0, quote(&time.name));
    }
    Ok(list.join(", "))
}

fn downsampled(
    dataset: &Dataset,
    downsample: &Downsample,
    time: &Field,
    params: &mut Vec<Value>,
) -> Result<String> {
    if downsample.interval_size == 0 || downsample.interval_size > INTERVAL_MAX {
        let detail = format!("an interval has a size between 1 and {INTERVAL_MAX}");
        return Err(Error::invalid("/downsample/intervalSize", detail));
    }
    if downsample.aggregations.is_empty() {
        let detail = "there is at least one aggregation";
        return Err(Error::invalid("/downsample/aggregations", detail));
    }
    let width = match downsample.interval_unit {
        IntervalUnit::Second => "to_seconds(?)",
        IntervalUnit::Minute => "to_minutes(?)",
        IntervalUnit::Hour => "to_hours(?)",
        IntervalUnit::Day => "to_days(?)",
        IntervalUnit::Week => "to_weeks(?)",
        IntervalUnit::Month => "to_months(?)",
    };
    params.push(Value::Int(
        i32::try_from(downsample.interval_size).unwrap_or(i32::MAX),
    ));
    let mut list = vec![format!(
        "time_bucket({width}, {t}) AS {t}",
        t = quote(&time.name)
    )];
    let mut names = HashSet::from([time.name.to_lowercase()]);
    for (index, aggregation) in downsample.aggregations.iter().enumerate() {
        let pointer = format!("/downsample/aggregations/{index}");
        let (expression, name) = aggregate(dataset, aggregation, &pointer, params)?;
        if name.is_empty() || name.len() > ALIAS_MAX_BYTES || name.contains('\0') {
            let detail = format!("an alias has 1 to {ALIAS_MAX_BYTES} bytes");
            return Err(Error::invalid(format!("{pointer}/alias"), detail));
        }
        if !names.insert(name.to_lowercase()) {
            let detail = format!("the column {name:?} is there twice; give one another alias");
            return Err(Error::invalid(format!("{pointer}/alias"), detail));
        }
        list.push(format!("{expression} AS {}", quote(&name)));
    }
    Ok(list.join(", "))
}

/// The expression, and the column's name.
fn aggregate(
    dataset: &Dataset,
    aggregation: &Aggregation,
    pointer: &str,
    params: &mut Vec<Value>,
) -> Result<(String, String)> {
    let function = aggregation.function;
    let named = |default: String| aggregation.alias.clone().unwrap_or(default);
    let Some(column) = &aggregation.column else {
        if function == Function::Count {
            return Ok(("count(*)".to_owned(), named("count".to_owned())));
        }
        return Err(Error::invalid(
            format!("{pointer}/column"),
            "name the column to aggregate",
        ));
    };
    let field = known(dataset, column, &format!("{pointer}/column"))?;
    let is_number = matches!(field.kind, FieldType::Double | FieldType::Integer);
    if function.needs_numbers() && !is_number {
        let detail = format!(
            "{} needs numbers, and {column:?} is a {}",
            function.word(),
            field.kind.word()
        );
        return Err(Error::invalid(format!("{pointer}/column"), detail));
    }
    let quoted = quote(&field.name);
    let expression = match function {
        Function::Avg => format!("avg({quoted})"),
        Function::Min => format!("min({quoted})"),
        Function::Max => format!("max({quoted})"),
        Function::Sum => format!("sum({quoted})"),
        Function::Median => format!("median({quoted})"),
        Function::Count => format!("count({quoted})"),
        Function::CountDistinct => format!("count(DISTINCT {quoted})"),
        Function::Percentile => {
            let share = aggregation
                .percentile
                .filter(|share| (0.0..=1.0).contains(share));
            let share = share.ok_or_else(|| {
                Error::invalid(
                    format!("{pointer}/percentile"),
                    "a percentile lies between 0 and 1",
                )
            })?;
            params.push(Value::Double(share));
            format!("quantile_cont({quoted}, ?)")
        }
    };
    Ok((expression, named(format!("{}_{column}", function.word()))))
}

#[cfg(test)]
mod tests;
