//! What datasets there are, their fields and partitions: tables in the schema `tidemark`.

use crate::error::{Error, Result};
use crate::schema::{Field, FieldType, quote};
use duckdb::{Connection, OptionalExt, params};
use journal::Time;
use serde::Serialize;
use utoipa::ToSchema;

/// The columns that every dataset but the activity has beside its fields: which partition a row
/// came with.
pub(crate) const PARTITION_COLUMN: &str = "_partition";

/// A dataset as the catalogue has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dataset {
    pub(crate) id: i64,
    pub(crate) slug: String,
    pub(crate) name: String,
    /// In schema `main`, unquoted.
    pub(crate) table: String,
    /// Whether the journal's sink fills it; then nobody else does.
    pub(crate) is_activity: bool,
    pub(crate) fields: Vec<Field>,
}

/// One partition, as the API tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Partition {
    /// Its number in the catalogue, and the value of `_partition` in its rows.
    pub id: i64,
    /// What the writer called it: a string, or names and strings.
    pub key: serde_json::Value,
    /// The earliest start that was ingested under this key.
    #[schema(value_type = String, format = DateTime)]
    pub start: Time,
    /// The latest end that was ingested under this key.
    #[schema(value_type = String, format = DateTime)]
    pub end: Time,
    /// How many rows were ingested under this key.
    pub rows: i64,
    /// When rows last came in.
    #[schema(value_type = String, format = DateTime)]
    pub ingested_at: Time,
}

impl Dataset {
    /// The table, as SQL writes it.
    pub(crate) fn quoted_table(&self) -> String {
        format!("main.{}", quote(&self.table))
    }

    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// Makes the catalogue's own tables where they are missing.
pub(crate) fn prepare(connection: &Connection) -> Result<()> {
    connection.execute_batch(include_str!("sql/catalogue.sql"))?;
    Ok(())
}

/// The dataset of this slug.
pub(crate) fn find(connection: &Connection, slug: &str) -> Result<Option<Dataset>> {
    let found = connection
        .prepare_cached(
            "SELECT id, slug, name, table_name, is_activity FROM tidemark.datasets WHERE slug = ?",
        )?
        .query_row([slug], read_dataset)
        .optional()?;
    found
        .map(|dataset| with_fields(connection, dataset))
        .transpose()
}

/// The dataset of this slug, or 404.
pub(crate) fn get(connection: &Connection, slug: &str) -> Result<Dataset> {
    find(connection, slug)?.ok_or_else(|| Error::NotFound(format!("there is no dataset {slug:?}")))
}

/// Every dataset, by slug.
pub(crate) fn list(connection: &Connection) -> Result<Vec<Dataset>> {
    let datasets = connection
        .prepare(
            "SELECT id, slug, name, table_name, is_activity FROM tidemark.datasets ORDER BY slug",
        )?
        .query_map([], read_dataset)?
        .collect::<duckdb::Result<Vec<_>>>()?;
    datasets
        .into_iter()
        .map(|dataset| with_fields(connection, dataset))
        .collect()
}

fn read_dataset(row: &duckdb::Row<'_>) -> duckdb::Result<Dataset> {
    Ok(Dataset {
        id: row.get(0)?,
        slug: row.get(1)?,
        name: row.get(2)?,
        table: row.get(3)?,
        is_activity: row.get(4)?,
        fields: Vec::new(),
    })
}

fn with_fields(connection: &Connection, mut dataset: Dataset) -> Result<Dataset> {
    let mut statement = connection.prepare_cached(
        "SELECT name, type FROM tidemark.fields WHERE dataset_id = ? ORDER BY position",
    )?;
    let mut rows = statement.query([dataset.id])?;
    while let Some(row) = rows.next()? {
        let word: String = row.get(1)?;
        let kind = FieldType::from_word(&word).ok_or_else(|| {
            Error::internal(format!("the catalogue has a field of type {word:?}"))
        })?;
        dataset.fields.push(Field {
            name: row.get(0)?,
            kind,
        });
    }
    Ok(dataset)
}

/// Adds a dataset with these fields and makes its table.
pub(crate) fn create(
    connection: &Connection,
    slug: &str,
    name: &str,
    fields: &[Field],
    now: Time,
) -> Result<Dataset> {
    let table = slug.replace('-', "_");
    let taken: Option<String> = connection
        .query_row(
            "SELECT slug FROM tidemark.datasets WHERE lower(table_name) = lower(?)",
            [&table],
            |row| row.get(0),
        )
        .optional()?;
    if let Some(other) = taken {
        let detail =
            format!("the dataset {other:?} has the table {table:?} already; choose another slug");
        return Err(Error::Conflict {
            code: httpkit::Code::AlreadyExists,
            detail,
        });
    }
    let mut columns = format!("{} BIGINT", quote(PARTITION_COLUMN));
    for field in fields {
        columns.push_str(&format!(", {} {}", quote(&field.name), field.kind.sql()));
    }
    connection.execute_batch(&format!("CREATE TABLE main.{} ({columns})", quote(&table)))?;
    let dataset = register(connection, slug, name, &table, false, now)?;
    add_fields(connection, &dataset, fields)?;
    get(connection, slug)
}

/// Adds a dataset whose table is made elsewhere.
pub(crate) fn register(
    connection: &Connection,
    slug: &str,
    name: &str,
    table: &str,
    is_activity: bool,
    now: Time,
) -> Result<Dataset> {
    let id: i64 = connection.query_row(
        include_str!("sql/insert_dataset.sql"),
        params![slug, name, table, is_activity, now.as_millis()],
        |row| row.get(0),
    )?;
    Ok(Dataset {
        id,
        slug: slug.to_owned(),
        name: name.to_owned(),
        table: table.to_owned(),
        is_activity,
        fields: Vec::new(),
    })
}

/// Adds fields to the catalogue after those that are there.
pub(crate) fn add_fields(
    connection: &Connection,
    dataset: &Dataset,
    fields: &[Field],
) -> Result<()> {
    let mut statement = connection.prepare_cached(include_str!("sql/insert_field.sql"))?;
    for field in fields {
        statement.execute(params![dataset.id, field.name, field.kind.word()])?;
    }
    Ok(())
}

/// The dataset's partitions, the latest first, at most `limit`.
pub(crate) fn partitions(
    connection: &Connection,
    dataset: i64,
    limit: usize,
) -> Result<Vec<Partition>> {
    let mut statement = connection.prepare_cached(include_str!("sql/partitions.sql"))?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![dataset, limit])?;
    let mut partitions = Vec::new();
    while let Some(row) = rows.next()? {
        let key: String = row.get(1)?;
        partitions.push(Partition {
            id: row.get(0)?,
            key: serde_json::from_str(&key)?,
            start: Time::from_millis(row.get(2)?),
            end: Time::from_millis(row.get(3)?),
            rows: row.get(4)?,
            ingested_at: Time::from_millis(row.get(5)?),
        });
    }
    Ok(partitions)
}
