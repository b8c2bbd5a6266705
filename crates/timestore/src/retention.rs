//! How long a dataset's rows are kept: by age, a partition at a time.
//!
//! A partition whose range ended longer ago than the dataset's age is dropped, its rows and its line
//! in the catalogue in one transaction. That is done when the age is set and then again and again on
//! a thread of its own. The activity has no age: every row of it is part of its sums, and an answer
//! about March needs the rows of January.

use crate::catalogue::{self, Dataset};
use crate::error::{Error, Result};
use crate::metric;
use crate::store::{self, Store};
use duckdb::{Connection, OptionalExt, params};
use journal::{Clock, Time};
use process::{Stop, Task};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;

const HOUR_MILLIS: i64 = 3_600_000;
/// A thousand years.
const AGE_MAX_HOURS: u32 = 24 * 365 * 1_000;

/// How long a dataset's rows are kept, and what was dropped so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Retention {
    /// Partitions are dropped when their range ended so many hours ago; null: never.
    pub max_age_hours: Option<u32>,
    /// The subject of the token that set it last.
    pub updated_by: Option<String>,
    /// When it was set last; null: never.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub updated_at: Option<Time>,
    /// How many partitions were dropped so far.
    pub partitions_dropped: i64,
    /// How many rows were in them.
    pub rows_dropped: i64,
    /// When a partition was dropped last.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub dropped_at: Option<Time>,
}

/// The dataset's retention.
pub(crate) fn get(connection: &Connection, slug: &str) -> Result<Retention> {
    let dataset = catalogue::get(connection, slug)?;
    read(connection, dataset.id)
}

fn read(connection: &Connection, dataset: i64) -> Result<Retention> {
    let found = connection
        .prepare_cached(include_str!("sql/retention.sql"))?
        .query_row([dataset], |row| {
            Ok(Retention {
                max_age_hours: row.get(0)?,
                updated_by: row.get(1)?,
                updated_at: row.get::<_, Option<i64>>(2)?.map(Time::from_millis),
                partitions_dropped: row.get(3)?,
                rows_dropped: row.get(4)?,
                dropped_at: row.get::<_, Option<i64>>(5)?.map(Time::from_millis),
            })
        })
        .optional()?;
    Ok(found.unwrap_or_default())
}

/// Sets the age and drops what is older already. One transaction.
pub(crate) fn set(
    connection: &Connection,
    slug: &str,
    max_age_hours: Option<u32>,
    updated_by: Option<String>,
    now: Time,
) -> Result<Retention> {
    if max_age_hours.is_some_and(|hours| hours == 0 || hours > AGE_MAX_HOURS) {
        let detail = format!("an age has 1 to {AGE_MAX_HOURS} hours; null keeps all rows");
        return Err(Error::invalid("/maxAgeHours", detail));
    }
    store::transaction(connection, |connection| {
        let dataset = catalogue::get(connection, slug)?;
        if dataset.is_activity {
            let detail = format!(
                "every row of {slug:?} is part of its sums and of what was there at a time, so it is \
                 kept whole"
            );
            return Err(Error::Conflict {
                code: httpkit::Code::ReadOnly,
                detail,
            });
        }
        let before = read(connection, dataset.id)?;
        let retention = Retention {
            max_age_hours,
            updated_by,
            updated_at: Some(now),
            ..before
        };
        apply(connection, &dataset, retention, now)
    })
}

/// Drops what is too old, and keeps the retention.
fn apply(
    connection: &Connection,
    dataset: &Dataset,
    mut retention: Retention,
    now: Time,
) -> Result<Retention> {
    if let Some(hours) = retention.max_age_hours {
        let before = now.as_millis() - i64::from(hours) * HOUR_MILLIS;
        let old = "SELECT id FROM tidemark.partitions
                   WHERE dataset_id = ? AND end_at < make_timestamp_ms(?::BIGINT)";
        let table = dataset.quoted_table();
        let rows = connection.execute(
            &format!("DELETE FROM {table} WHERE _partition IN ({old})"),
            params![dataset.id, before],
        )?;
        let partitions = connection.execute(
            &format!("DELETE FROM tidemark.partitions WHERE id IN ({old})"),
            params![dataset.id, before],
        )?;
        if partitions > 0 {
            retention.partitions_dropped += i64::try_from(partitions).unwrap_or(i64::MAX);
            retention.rows_dropped += i64::try_from(rows).unwrap_or(i64::MAX);
            retention.dropped_at = Some(now);
            metrics::counter!(metric::DROPPED).increment(rows as u64);
            tracing::info!(
                dataset = dataset.slug,
                partitions,
                rows,
                "old partitions dropped"
            );
        }
    }
    connection.execute(
        "DELETE FROM tidemark.retention WHERE dataset_id = ?",
        [dataset.id],
    )?;
    connection.execute(
        include_str!("sql/keep_retention.sql"),
        params![
            dataset.id,
            retention.max_age_hours,
            retention.updated_by,
            retention.updated_at.map(Time::as_millis),
            retention.partitions_dropped,
            retention.rows_dropped,
            retention.dropped_at.map(Time::as_millis)
        ],
    )?;
    Ok(retention)
}

/// Drops what has grown too old in every dataset with an age; a dataset a transaction.
fn sweep(connection: &Connection, now: Time) -> Result<()> {
    for dataset in catalogue::list(connection)? {
        let hours = read(connection, dataset.id)?.max_age_hours.unwrap_or(0);
        let before = now.as_millis() - i64::from(hours) * HOUR_MILLIS;
        let is_due = "SELECT count(*) > 0 FROM tidemark.partitions
                      WHERE dataset_id = ? AND end_at < make_timestamp_ms(?::BIGINT)";
        let is_due = |connection: &Connection| -> duckdb::Result<bool> {
            connection.query_row(is_due, params![dataset.id, before], |row| row.get(0))
        };
        if hours > 0 && is_due(connection)? {
            store::transaction(connection, |connection| {
                let retention = read(connection, dataset.id)?;
                apply(connection, &dataset, retention, now)
            })?;
        }
    }
    Ok(())
}

/// Starts the thread that drops what has grown too old. The store must outlive it.
pub(crate) fn keep_sweeping(
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    interval: Duration,
) -> Result<Task> {
    Task::spawn("timestore-retention", move |stop| {
        run(&store, &*clock, interval, stop);
    })
    .map_err(|error| Error::Internal(Box::new(error)))
}

fn run(store: &Store, clock: &dyn Clock, interval: Duration, stop: &Stop) {
    while !stop.wait(interval) {
        let now = clock.now();
        match store.write_blocking(move |connection| sweep(connection, now)) {
            Ok(()) => {}
            Err(Error::Closed) => return,
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "old partitions not dropped; tried again later"
            ),
        }
    }
}
