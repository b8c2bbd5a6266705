//! Rows that a writer sends: checked, made into Arrow columns, and committed through the pipeline.

mod bodies;
mod rows;

pub(crate) use bodies::{BodyKind, IngestQuery, JsonBody, decode};
pub(crate) use rows::time_value;

use crate::catalogue::{self, Dataset, Status};
use crate::error::{Error, Result};
use crate::pipeline::{self, Append, NewPartition};
use crate::schema::{self, Field};
use crate::store;
use duckdb::arrow::record_batch::RecordBatch;
use duckdb::{Connection, OptionalExt, params};
use journal::Time;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Idempotency keys are kept this long.
const KEYS_KEPT_MILLIS: i64 = 7 * 24 * 3600 * 1000;
const KEY_MAX_BYTES: usize = 255;

/// What is to be ingested, checked as far as it can be without the dataset.
#[derive(Debug)]
pub(crate) struct Ingestion {
    pub(crate) slug: String,
    pub(crate) name: Option<String>,
    pub(crate) fields: Vec<Field>,
    /// Whether fields that the dataset lacks are added.
    pub(crate) adds_fields: bool,
    pub(crate) partition: NewPartition,
    pub(crate) batches: Vec<RecordBatch>,
    /// The writer's, or made of the request: an identical one adds nothing.
    pub(crate) idempotency_key: String,
    /// Over the request as it came.
    pub(crate) hash: String,
    pub(crate) warnings: Vec<String>,
}

/// What a writer calls a partition: a text, or names and texts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum PartitionKey {
    /// Short for `{"key": …}`.
    Text(String),
    /// Such as `{"date": "2026-03-01"}`.
    Names(BTreeMap<String, String>),
}

/// A half-open range of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct TimeRange {
    /// The first point in time that belongs to it.
    #[schema(value_type = String, format = DateTime)]
    pub start: Time,
    /// The first point in time after it.
    #[schema(value_type = String, format = DateTime)]
    pub end: Time,
}

/// What was ingested.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Receipt {
    /// Always `inline`: the rows are there when the answer is.
    pub mode: String,
    /// The dataset after it.
    pub dataset: DatasetSummary,
    /// The partition that the rows went to.
    pub partition: PartitionSummary,
    /// How many rows this request added.
    pub rows_ingested: u64,
    /// This request came before with the same idempotency key; nothing was added now.
    pub idempotent: bool,
    /// What was left out, and why.
    pub warnings: Vec<String>,
}

/// A dataset in a receipt.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DatasetSummary {
    /// Its path segment.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// Its table in SQL.
    pub table_name: String,
    /// Its fields.
    pub fields: Vec<Field>,
}

/// A partition in a receipt.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PartitionSummary {
    /// The value of `_partition` in its rows.
    pub id: i64,
    /// As the writer called it.
    pub key: PartitionKey,
    /// As the writer said.
    pub time_range: TimeRange,
}

impl PartitionKey {
    /// The same key always has the same text.
    pub(crate) fn canonical(&self) -> Result<String> {
        let names = match self {
            Self::Text(text) => BTreeMap::from([("key".to_owned(), text.clone())]),
            Self::Names(names) => names.clone(),
        };
        if names.is_empty() {
            return Err(Error::invalid(
                "/partition/key",
                "a partition key has at least one name",
            ));
        }
        Ok(serde_json::to_string(&names)?)
    }
}

impl NewPartition {
    /// Checks what the writer says of the partition.
    pub(crate) fn new(key: &PartitionKey, range: TimeRange) -> Result<Self> {
        if range.end < range.start {
            return Err(Error::invalid(
                "/partition/timeRange/end",
                "the range ends before its start",
            ));
        }
        Ok(Self {
            key: key.canonical()?,
            start: range.start,
            end: range.end,
        })
    }
}

/// Commits an ingestion. The same idempotency key and request again gives the same receipt and
/// adds nothing.
pub(crate) fn ingest(connection: &Connection, ingestion: Ingestion, now: Time) -> Result<Receipt> {
    store::transaction(connection, |connection| {
        let found = catalogue::find(connection, &ingestion.slug)?;
        if let Some(dataset) = &found {
            if dataset.is_activity {
                let detail = format!(
                    "the dataset {:?} is filled from filestore's journal only",
                    ingestion.slug
                );
                return Err(Error::Conflict {
                    code: httpkit::Code::ReadOnly,
                    detail,
                });
            }
            if let Some(receipt) = replayed(connection, dataset, &ingestion)? {
                return Ok(receipt);
            }
            if dataset.status == Status::Inactive {
                let detail = format!(
                    "the dataset {:?} is archived; PATCH its status to active first",
                    dataset.slug
                );
                return Err(Error::Conflict {
                    code: httpkit::Code::ReadOnly,
                    detail,
                });
            }
        }
        let dataset = match found {
            Some(dataset) => dataset,
            None => create(connection, &ingestion, now)?,
        };
        append(connection, dataset, ingestion, now)
    })
}

fn create(connection: &Connection, ingestion: &Ingestion, now: Time) -> Result<Dataset> {
    let name = ingestion.name.as_deref().unwrap_or(&ingestion.slug);
    catalogue::create(connection, &ingestion.slug, name, &ingestion.fields, now)
}

fn append(
    connection: &Connection,
    mut dataset: Dataset,
    ingestion: Ingestion,
    now: Time,
) -> Result<Receipt> {
    let new_fields = schema::missing_fields(&dataset.fields, &ingestion.fields)?;
    // A dataset that was made without fields gets its first ones in any case.
    let may_add = ingestion.adds_fields || dataset.fields.is_empty();
    if let Some(field) = new_fields.first().filter(|_| !may_add) {
        let detail = format!(
            "the dataset {:?} has no field {:?}, and the request forbids adding one",
            dataset.slug, field.name
        );
        return Err(Error::Conflict {
            code: httpkit::Code::SchemaConflict,
            detail,
        });
    }
    let partition = ingestion.partition;
    let rows = ingestion
        .batches
        .iter()
        .map(RecordBatch::num_rows)
        .sum::<usize>();
    let id = pipeline::append(
        connection,
        Append {
            dataset: &dataset,
            new_fields: &new_fields,
            batches: ingestion.batches,
            partition: Some(&partition),
            now,
        },
    )?;
    dataset.fields.extend(new_fields);
    let receipt = Receipt {
        mode: "inline".to_owned(),
        partition: PartitionSummary {
            id: id.unwrap_or_default(),
            key: serde_json::from_str(&partition.key)?,
            time_range: TimeRange {
                start: partition.start,
                end: partition.end,
            },
        },
        rows_ingested: rows as u64,
        idempotent: false,
        warnings: ingestion.warnings,
        dataset: DatasetSummary {
            slug: dataset.slug,
            name: dataset.name,
            table_name: dataset.table,
            fields: dataset.fields,
        },
    };
    let (key, hash) = (&ingestion.idempotency_key, &ingestion.hash);
    remember(connection, dataset.id, key, hash, &receipt, now)?;
    Ok(receipt)
}

fn replayed(
    connection: &Connection,
    dataset: &Dataset,
    ingestion: &Ingestion,
) -> Result<Option<Receipt>> {
    let key = &ingestion.idempotency_key;
    let found: Option<(String, String)> = connection
        .prepare_cached(include_str!("sql/idempotency_key.sql"))?
        .query_row(params![dataset.id, key], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    match found {
        None => Ok(None),
        Some((hash, answer)) if hash == ingestion.hash => {
            let receipt: Receipt = serde_json::from_str(&answer)?;
            Ok(Some(Receipt {
                idempotent: true,
                ..receipt
            }))
        }
        Some(_) => Err(Error::Conflict {
            code: httpkit::Code::IdempotencyConflict,
            detail: format!("the idempotency key {key:?} came before with another request"),
        }),
    }
}

fn remember(
    connection: &Connection,
    dataset: i64,
    key: &str,
    hash: &str,
    receipt: &Receipt,
    now: Time,
) -> Result<()> {
    connection
        .prepare_cached(include_str!("sql/forget_idempotency_keys.sql"))?
        .execute([now.as_millis().saturating_sub(KEYS_KEPT_MILLIS)])?;
    let answer = serde_json::to_string(receipt)?;
    connection
        .prepare_cached(include_str!("sql/insert_idempotency_key.sql"))?
        .execute(params![dataset, key, hash, answer, now.as_millis()])?;
    Ok(())
}

/// Checks an idempotency key.
pub(crate) fn check_idempotency_key(key: &str) -> Result<()> {
    if key.is_empty() || key.len() > KEY_MAX_BYTES || key.chars().any(char::is_control) {
        let detail =
            format!("an idempotency key has 1 to {KEY_MAX_BYTES} bytes and no control characters");
        return Err(Error::invalid("/idempotencyKey", detail));
    }
    Ok(())
}
