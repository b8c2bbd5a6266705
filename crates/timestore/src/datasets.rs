//! What a person says of a dataset: its name, a description, whether it takes rows.

use crate::catalogue::{self, Dataset, Status};
use crate::error::{Error, Result};
use crate::schema;
use crate::store;
use duckdb::types::Value as Bound;
use duckdb::{Connection, params_from_iter};
use journal::Time;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

const NAME_MAX_CHARS: usize = 160;
const DESCRIPTION_MAX_CHARS: usize = 1_000;
const METADATA_MAX_BYTES: usize = 64 << 10;
const LIST_DEFAULT: usize = 100;
const LIST_MAX: usize = 1_000;

/// A new dataset.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CreateDatasetRequest)]
pub(crate) struct NewDataset {
    /// Its path segment; with `-` for `_` the name of its table.
    slug: String,
    /// For people.
    name: String,
    description: Option<String>,
    #[serde(default)]
    #[schema(inline)]
    status: Status,
    /// `duckdb` is the only one.
    write_format: Option<String>,
    /// There are no storage targets: null.
    default_storage_target_id: Option<String>,
    /// Kept as it is.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
}

/// What is to change of a dataset; at least one of it.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PatchDatasetRequest)]
pub(crate) struct DatasetPatch {
    name: Option<String>,
    /// Null takes it away.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    description: Option<Option<String>>,
    #[schema(inline)]
    status: Option<Status>,
    /// There are no storage targets: null.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    default_storage_target_id: Option<Option<String>>,
    /// Each member takes the place of the one of its name; null takes it away.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
    /// The `updatedAt` that it must still have (also as the header `If-Match`).
    pub(crate) if_match: Option<String>,
}

/// Why a dataset is archived.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ArchiveRequest {
    /// For the log.
    pub(crate) reason: Option<String>,
    /// The `updatedAt` that it must still have (also as the header `If-Match`).
    pub(crate) if_match: Option<String>,
}

/// Which datasets.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// At most so many; 100, if left out, and at most 1,000.
    limit: Option<usize>,
    /// The `nextCursor` of the page before.
    cursor: Option<String>,
    /// `active`, `inactive` or `all`; active, if left out.
    status: Option<String>,
    /// Part of the slug, the name or the description, whatever its case.
    search: Option<String>,
}

/// A member that is there, null or not.
fn present<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// One page of the datasets by slug, and the cursor of the next.
pub(crate) fn list(
    connection: &Connection,
    query: &ListQuery,
) -> Result<(Vec<Dataset>, Option<String>)> {
    let limit = match query.limit.unwrap_or(LIST_DEFAULT) {
        limit if (1..=LIST_MAX).contains(&limit) => limit,
        _ => {
            let detail = format!("a limit lies between 1 and {LIST_MAX}");
            return Err(Error::invalid("/limit", detail));
        }
    };
    let mut conditions = vec!["TRUE"];
    let mut params = Vec::new();
    if let Some(after) = &query.cursor {
        conditions.push("slug > ?");
        params.push(Bound::Text(after.clone()));
    }
    match query.status.as_deref().unwrap_or("active") {
        "all" => {}
        word @ ("active" | "inactive") => {
            conditions.push("coalesce(status, 'active') = ?");
            params.push(Bound::Text(word.to_owned()));
        }
        _ => return Err(Error::invalid("/status", "must be active, inactive or all")),
    }
    if let Some(search) = &query.search {
        conditions.push("contains(lower(concat_ws(chr(10), slug, name, description)), lower(?))");
        params.push(Bound::Text(search.clone()));
    }
    let tail = format!(
        "WHERE {} ORDER BY slug LIMIT {}",
        conditions.join(" AND "),
        limit + 1
    );
    let mut found = catalogue::query(connection, &tail, params_from_iter(params))?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let cursor = found
        .last()
        .filter(|_| has_more)
        .map(|last| last.slug.clone());
    Ok((found, cursor))
}

/// Makes a dataset without fields, and tells whether it is new: the same once more changes nothing.
pub(crate) fn create(
    connection: &Connection,
    new: NewDataset,
    now: Time,
) -> Result<(Dataset, bool)> {
    schema::check_slug(&new.slug)?;
    check_name(&new.name)?;
    check_description(new.description.as_deref())?;
    let metadata = new.metadata.unwrap_or_default();
    check_metadata(&metadata)?;
    if new
        .write_format
        .as_deref()
        .is_some_and(|format| format != "duckdb")
    {
        return Err(Error::invalid("/writeFormat", "duckdb is the only one"));
    }
    check_target(new.default_storage_target_id.as_deref())?;
    store::transaction(connection, |connection| {
        if let Some(present) = catalogue::find(connection, &new.slug)? {
            let is_same = present.name == new.name
                && present.description == new.description
                && present.status == new.status
                && present.metadata == metadata;
            if is_same {
                return Ok((present, false));
            }
            return Err(Error::Conflict {
                code: httpkit::Code::AlreadyExists,
                detail: format!(
                    "the dataset {:?} is there already, and is another",
                    new.slug
                ),
            });
        }
        let mut dataset = catalogue::create(connection, &new.slug, &new.name, &[], now)?;
        dataset.description = new.description;
        dataset.status = new.status;
        dataset.metadata = metadata;
        catalogue::update(connection, &dataset)?;
        Ok((dataset, true))
    })
}

/// Changes what a person says of a dataset.
pub(crate) fn patch(
    connection: &Connection,
    slug: &str,
    patch: DatasetPatch,
    now: Time,
) -> Result<Dataset> {
    let is_empty = patch.name.is_none()
        && patch.description.is_none()
        && patch.status.is_none()
        && patch.default_storage_target_id.is_none()
        && patch.metadata.is_none();
    if is_empty {
        let detail = "give at least one of name, description, status, metadata";
        return Err(Error::invalid("", detail));
    }
    patch.name.as_deref().map(check_name).transpose()?;
    check_description(patch.description.as_ref().and_then(Option::as_deref))?;
    check_target(
        patch
            .default_storage_target_id
            .as_ref()
            .and_then(Option::as_deref),
    )?;
    change(
        connection,
        slug,
        patch.if_match.as_deref(),
        now,
        |dataset| {
            if dataset.is_activity && (patch.name.is_some() || patch.status.is_some()) {
                return Err(Error::Conflict {
                    code: httpkit::Code::ReadOnly,
                    detail: format!(
                        "the name of {:?} is in the configuration, and it always takes entries",
                        dataset.slug
                    ),
                });
            }
            dataset.name = patch.name.unwrap_or_else(|| dataset.name.clone());
            dataset.status = patch.status.unwrap_or(dataset.status);
            if let Some(description) = patch.description {
                dataset.description = description;
            }
            for (name, value) in patch.metadata.into_iter().flatten() {
                match value {
                    Value::Null => dataset.metadata.remove(&name),
                    value => dataset.metadata.insert(name, value),
                };
            }
            check_metadata(&dataset.metadata)
        },
    )
}

/// From now on the dataset can be read only. Archiving it again changes nothing.
pub(crate) fn archive(
    connection: &Connection,
    slug: &str,
    request: &ArchiveRequest,
    now: Time,
) -> Result<Dataset> {
    change(
        connection,
        slug,
        request.if_match.as_deref(),
        now,
        |dataset| {
            if dataset.is_activity {
                return Err(Error::Conflict {
                    code: httpkit::Code::ReadOnly,
                    detail: format!(
                        "{:?} follows the journal and always takes entries",
                        dataset.slug
                    ),
                });
            }
            dataset.status = Status::Inactive;
            Ok(())
        },
    )
}

/// Changes a dataset that is as the caller last saw it.
fn change(
    connection: &Connection,
    slug: &str,
    if_match: Option<&str>,
    now: Time,
    change: impl FnOnce(&mut Dataset) -> Result<()>,
) -> Result<Dataset> {
    let expected = if_match.map(expected_time).transpose()?;
    store::transaction(connection, |connection| {
        let before = catalogue::resolve(connection, slug)?;
        if expected.is_some_and(|expected| expected != before.updated_at) {
            return Err(Error::Precondition(format!(
                "the dataset {:?} was changed at {}",
                before.slug, before.updated_at
            )));
        }
        let mut dataset = before.clone();
        change(&mut dataset)?;
        if dataset != before {
            // Two changes within a millisecond are two.
            let next = Time::from_millis(before.updated_at.as_millis() + 1);
            dataset.updated_at = now.max(next);
            catalogue::update(connection, &dataset)?;
        }
        Ok(dataset)
    })
}

/// An entity tag is the time in quotes.
fn expected_time(text: &str) -> Result<Time> {
    let time = text.trim().trim_start_matches("W/").trim_matches('"');
    time.parse().map_err(|_| {
        Error::invalid(
            "/ifMatch",
            "must be the dataset's updatedAt, an RFC 3339 time",
        )
    })
}

fn check_name(name: &str) -> Result<()> {
    if name.trim().is_empty() || name.chars().count() > NAME_MAX_CHARS {
        let detail = format!("a name has 1 to {NAME_MAX_CHARS} characters");
        return Err(Error::invalid("/name", detail));
    }
    Ok(())
}

fn check_description(description: Option<&str>) -> Result<()> {
    if description.is_some_and(|text| text.chars().count() > DESCRIPTION_MAX_CHARS) {
        let detail = format!("a description has at most {DESCRIPTION_MAX_CHARS} characters");
        return Err(Error::invalid("/description", detail));
    }
    Ok(())
}

fn check_metadata(metadata: &Map<String, Value>) -> Result<()> {
    if serde_json::to_string(metadata)?.len() > METADATA_MAX_BYTES {
        return Err(Error::invalid("/metadata", "it has at most 64 KiB"));
    }
    Ok(())
}

fn check_target(target: Option<&str>) -> Result<()> {
    match target {
        None => Ok(()),
        Some(target) => Err(Error::NotFound(format!(
            "there is no storage target {target:?}: all rows are in the one DuckDB file"
        ))),
    }
}
