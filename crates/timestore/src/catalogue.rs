//! What datasets there are, their fields and partitions: tables in the schema `tidemark`.

use crate::error::{Error, Result};
use crate::schema::{Field, FieldType, quote};
use crate::usage;
use duckdb::{Connection, OptionalExt, params};
use journal::Time;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
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
    pub(crate) description: Option<String>,
    pub(crate) status: Status,
    /// A person's, kept as it is.
    pub(crate) metadata: Map<String, Value>,
    pub(crate) created_at: Time,
    /// When a person changed it last.
    pub(crate) updated_at: Time,
}

/// Whether a dataset takes rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// It does.
    #[default]
    Active,
    /// It is archived: it can be read only.
    Inactive,
}

impl Status {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
        }
    }
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
    /// How many bytes they had in memory; 0 for rows of earlier versions.
    pub bytes: i64,
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
    usage::prepare(connection)?;
    widen(connection)
}

/// Sums of bytes had 64 bits, which two large files fill.
fn widen(connection: &Connection) -> Result<()> {
    let narrow = "SELECT column_name FROM duckdb_columns()
                  WHERE schema_name = 'tidemark' AND table_name = 'growth_hours'
                      AND starts_with(column_name, 'bytes_') AND data_type = 'BIGINT'";
    let columns = connection
        .prepare(narrow)?
        .query_map([], |row| row.get::<_, String>(0))?
        .collect::<duckdb::Result<Vec<_>>>()?;
    for column in columns {
        connection.execute_batch(&format!(
            "ALTER TABLE tidemark.growth_hours ALTER COLUMN {} TYPE HUGEINT",
            quote(&column)
        ))?;
    }
    Ok(())
}

/// The dataset of this slug.
pub(crate) fn find(connection: &Connection, slug: &str) -> Result<Option<Dataset>> {
    let found = connection
        .prepare_cached(&select("WHERE slug = ?"))?
        .query_row([slug], read_dataset)
        .optional()?;
    found
        .map(|dataset| with_fields(connection, dataset))
        .transpose()
}

fn select(tail: &str) -> String {
    format!("{}{tail}", include_str!("sql/datasets.sql"))
}

/// The dataset of this slug, or 404.
pub(crate) fn get(connection: &Connection, slug: &str) -> Result<Dataset> {
    find(connection, slug)?.ok_or_else(|| Error::NotFound(format!("there is no dataset {slug:?}")))
}

/// The dataset of this slug, or of this number as the API shows it; or 404.
pub(crate) fn resolve(connection: &Connection, slug_or_id: &str) -> Result<Dataset> {
    let Ok(id) = slug_or_id.parse::<i64>() else {
        return get(connection, slug_or_id);
    };
    let found = connection
        .prepare_cached(&select("WHERE id = ?"))?
        .query_row([id], read_dataset)
        .optional()?;
    let found = found.ok_or_else(|| Error::NotFound(format!("there is no dataset {id}")))?;
    with_fields(connection, found)
}

/// Every dataset, by slug.
pub(crate) fn list(connection: &Connection) -> Result<Vec<Dataset>> {
    query(connection, "ORDER BY slug", [])
}

/// The datasets that a condition and an order pick.
pub(crate) fn query(
    connection: &Connection,
    tail: &str,
    params: impl duckdb::Params,
) -> Result<Vec<Dataset>> {
    let datasets = connection
        .prepare(&select(tail))?
        .query_map(params, read_dataset)?
        .collect::<duckdb::Result<Vec<_>>>()?;
    datasets
        .into_iter()
        .map(|dataset| with_fields(connection, dataset))
        .collect()
}

fn read_dataset(row: &duckdb::Row<'_>) -> duckdb::Result<Dataset> {
    let (status, metadata): (String, String) = (row.get(6)?, row.get(7)?);
    Ok(Dataset {
        id: row.get(0)?,
        slug: row.get(1)?,
        name: row.get(2)?,
        table: row.get(3)?,
        is_activity: row.get(4)?,
        fields: Vec::new(),
        description: row.get(5)?,
        status: match status.as_str() {
            "inactive" => Status::Inactive,
            _ => Status::Active,
        },
        // This crate wrote it.
        metadata: serde_json::from_str(&metadata).unwrap_or_default(),
        created_at: Time::from_millis(row.get(8)?),
        updated_at: Time::from_millis(row.get(9)?),
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
        description: None,
        status: Status::Active,
        metadata: Map::new(),
        created_at: now,
        updated_at: now,
    })
}

/// Writes what a person may change of a dataset.
pub(crate) fn update(connection: &Connection, dataset: &Dataset) -> Result<()> {
    connection.execute(
        include_str!("sql/update_dataset.sql"),
        params![
            dataset.id,
            dataset.name,
            dataset.description,
            dataset.status.word(),
            serde_json::to_string(&dataset.metadata)?,
            dataset.updated_at.as_millis()
        ],
    )?;
    Ok(())
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
            bytes: row.get(6)?,
        });
    }
    Ok(partitions)
}
