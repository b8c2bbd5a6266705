//! How long a dataset's rows are kept: by age and by size, a partition at a time.
//!
//! A partition whose range ended longer ago than the dataset's age is dropped, its rows and its line
//! in the catalogue in one transaction; so are the oldest ones while all together are more bytes than
//! the dataset may have. That is done when the retention is set and then again and again on a thread
//! of its own. The activity has none: every row of it is part of its sums, and an answer about March
//! needs the rows of January.

mod policy;

pub(crate) use policy::RetentionRequest;

use crate::catalogue::{self, Dataset};
use crate::error::{Error, Result};
use crate::metric;
use crate::store::{self, Store};
use duckdb::{Connection, OptionalExt, params};
use journal::{Clock, Time};
use process::{Stop, Task};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;

const MINUTE_MILLIS: i64 = 60_000;

/// How long a dataset's rows are kept, and what was dropped so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Retention {
    /// Partitions are dropped when their range ended so many hours ago; null: never.
    pub max_age_hours: Option<u32>,
    /// The oldest partitions are dropped while all have more bytes than this; null: never.
    pub max_total_bytes: Option<i64>,
    /// As it was set with `mode` and `rules`; null, if it was not.
    #[schema(value_type = Option<Object>)]
    pub policy: Option<Value>,
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
pub(crate) fn get(connection: &Connection, slug: &str) -> Result<(Retention, Dataset)> {
    let dataset = catalogue::resolve(connection, slug)?;
    Ok((read(connection, dataset.id)?, dataset))
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
                max_total_bytes: row.get(6)?,
                // This crate wrote it.
                policy: row
                    .get::<_, Option<String>>(7)?
                    .and_then(|text| serde_json::from_str(&text).ok()),
            })
        })
        .optional()?;
    Ok(found.unwrap_or_default())
}

/// Sets the retention and drops what is beyond it already. One transaction.
pub(crate) fn set(
    connection: &Connection,
    slug: &str,
    request: &RetentionRequest,
    updated_by: Option<String>,
    now: Time,
) -> Result<(Retention, Dataset)> {
    let wanted = request.checked()?;
    store::transaction(connection, |connection| {
        let dataset = catalogue::resolve(connection, slug)?;
        if dataset.is_activity {
            let detail = format!(
                "every row of {:?} is part of its sums and of what was there at a time, so it is kept \
                 whole",
                dataset.slug
            );
            return Err(Error::Conflict {
                code: httpkit::Code::ReadOnly,
                detail,
            });
        }
        let retention = Retention {
            max_age_hours: wanted.max_age_hours,
            max_total_bytes: wanted.max_total_bytes,
            policy: wanted.policy,
            updated_by,
            updated_at: Some(now),
            ..read(connection, dataset.id)?
        };
        let old = old(connection, &dataset, &retention, now)?;
        let retention = apply(connection, &dataset, retention, &old, now)?;
        Ok((retention, dataset))
    })
}

/// The partitions that are beyond the retention.
fn old(
    connection: &Connection,
    dataset: &Dataset,
    retention: &Retention,
    now: Time,
) -> Result<Vec<i64>> {
    if retention.max_age_hours.is_none() && retention.max_total_bytes.is_none() {
        return Ok(Vec::new());
    }
    let before = retention.max_age_hours.map(|hours| {
        let minutes = i64::from(hours) * 60 + policy::grace_minutes(retention.policy.as_ref());
        now.as_millis()
            .saturating_sub(minutes.saturating_mul(MINUTE_MILLIS))
    });
    let mut statement = connection.prepare(include_str!("sql/old_partitions.sql"))?;
    let most = retention.max_total_bytes.unwrap_or(i64::MAX);
    let ids = statement.query_map(params![dataset.id, before, most], |row| row.get(0))?;
    Ok(ids.collect::<duckdb::Result<_>>()?)
}

/// Drops these partitions, and keeps the retention.
fn apply(
    connection: &Connection,
    dataset: &Dataset,
    mut retention: Retention,
    old: &[i64],
    now: Time,
) -> Result<Retention> {
    if !old.is_empty() {
        let ids = "(SELECT unnest(from_json(?::JSON, '[\"BIGINT\"]')))";
        let list = serde_json::to_string(old)?;
        let table = dataset.quoted_table();
        let rows = connection.execute(
            &format!("DELETE FROM {table} WHERE _partition IN {ids}"),
            [&list],
        )?;
        connection.execute(
            &format!("DELETE FROM tidemark.partitions WHERE id IN {ids}"),
            [&list],
        )?;
        let partitions = old.len();
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
    connection.execute(
        "DELETE FROM tidemark.retention WHERE dataset_id = ?",
        [dataset.id],
    )?;
    let policy = retention.policy.as_ref().map(Value::to_string);
    connection.execute(
        include_str!("sql/keep_retention.sql"),
        params![
            dataset.id,
            retention.max_age_hours,
            retention.updated_by,
            retention.updated_at.map(Time::as_millis),
            retention.partitions_dropped,
            retention.rows_dropped,
            retention.dropped_at.map(Time::as_millis),
            retention.max_total_bytes,
            policy
        ],
    )?;
    Ok(retention)
}

/// Drops what is beyond its dataset's retention by now; a dataset a transaction.
fn sweep(connection: &Connection, now: Time) -> Result<()> {
    for dataset in catalogue::list(connection)? {
        let retention = read(connection, dataset.id)?;
        if old(connection, &dataset, &retention, now)?.is_empty() {
            continue;
        }
        store::transaction(connection, |connection| {
            let retention = read(connection, dataset.id)?;
            let old = old(connection, &dataset, &retention, now)?;
            apply(connection, &dataset, retention, &old, now)
        })?;
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
