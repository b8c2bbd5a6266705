//! The history of what was said: every write with the whole before and after it.

use super::{Metadata, PersonsPart, store};
use journal::Time;
use rusqlite::types::{Value as Column, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use serde::Serialize;
use serde_json::Value;

/// A write, about to be recorded.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    pub(crate) record_id: i64,
    pub(crate) action: &'static str,
    pub(crate) actor: Option<&'a str>,
    pub(crate) at: Time,
    pub(crate) namespace: &'a str,
    /// The namespace before, where the record moved.
    pub(crate) previous_namespace: Option<&'a str>,
    pub(crate) version: i64,
    pub(crate) part: &'a PersonsPart,
    /// The version and content before.
    pub(crate) previous: Option<(i64, &'a PersonsPart)>,
}

impl Change<'_> {
    pub(crate) fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        let columns = self.columns();
        let sum = Column::from(sum(columns.iter().map(ValueRef::from)).to_vec());
        let values = std::iter::once(Column::from(self.record_id))
            .chain(columns)
            .chain([sum]);
        connection
            .prepare_cached(include_str!("../sql/audit_insert.sql"))?
            .execute(params_from_iter(values))?;
        Ok(())
    }

    /// The columns, from `action` on.
    fn columns(&self) -> [Column; 15] {
        let (previous_version, previous) = self.previous.unzip();
        let text = |text: Option<&str>| Column::from(text.map(str::to_owned));
        [
            text(Some(self.action)),
            text(self.actor),
            Column::from(self.at.as_millis()),
            text(Some(self.namespace)),
            text(self.previous_namespace),
            Column::from(self.version),
            Column::from(previous_version),
            Column::from(store::text(&self.part.metadata)),
            Column::from(previous.map(|part| store::text(&part.metadata))),
            Column::from(tags_text(self.part)),
            Column::from(previous.map(tags_text)),
            text(self.part.owner.as_deref()),
            text(previous.and_then(|part| part.owner.as_deref())),
            text(self.part.schema_hash.as_deref()),
            text(previous.and_then(|part| part.schema_hash.as_deref())),
        ]
    }
}

/// A hash over the columns from `action` on. The ids are not in it: where two records become one,
/// their histories do.
fn sum<'a>(columns: impl Iterator<Item = ValueRef<'a>>) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for column in columns {
        let (kind, bytes): (u8, &[u8]) = match column {
            ValueRef::Null => (0, &[]),
            ValueRef::Integer(number) => {
                hasher.update(&[1]);
                hasher.update(&number.to_le_bytes());
                continue;
            }
            ValueRef::Real(number) => {
                hasher.update(&[2]);
                hasher.update(&number.to_le_bytes());
                continue;
            }
            ValueRef::Text(bytes) => (3, bytes),
            ValueRef::Blob(bytes) => (4, bytes),
        };
        hasher.update(&[kind]);
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    }
    hasher.finalize().into()
}

/// The writes that do not say what was written, at most so many.
pub(crate) fn unlike_their_sums(
    connection: &Connection,
    most: usize,
) -> rusqlite::Result<Vec<String>> {
    const FIRST: usize = 3;
    let mut statement = connection.prepare(include_str!("../sql/audit_sums.sql"))?;
    let columns = statement.column_count();
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let values = (FIRST..columns).map(|column| row.get_ref(column));
        let values = values.collect::<rusqlite::Result<Vec<_>>>()?;
        if row.get_ref(2)?.as_blob()? != sum(values.into_iter()) {
            let (id, record): (i64, i64) = (row.get(0)?, row.get(1)?);
            found.push(format!(
                "write {id} in the audit of record {record} does not say what was written"
            ));
            if found.len() >= most {
                break;
            }
        }
    }
    Ok(found)
}

fn tags_text(part: &PersonsPart) -> String {
    serde_json::to_string(&part.tags).unwrap_or_else(|_| "[]".to_owned())
}

/// A write as it is shown.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditEntry {
    pub(crate) id: i64,
    /// The namespace after the write.
    pub(crate) namespace: String,
    /// The namespace before it, where the record moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) previous_namespace: Option<String>,
    pub(crate) key: String,
    /// `create`, `update`, `delete`, `restore`; `move` and `merge` by the sync.
    #[schema(value_type = crate::words::AuditAction)]
    pub(crate) action: String,
    pub(crate) actor: Option<String>,
    pub(crate) previous_version: Option<i64>,
    pub(crate) version: i64,
    #[schema(value_type = Object)]
    pub(crate) metadata: Metadata,
    #[schema(value_type = Option<Object>)]
    pub(crate) previous_metadata: Option<Metadata>,
    pub(crate) tags: Vec<String>,
    pub(crate) previous_tags: Option<Vec<String>>,
    pub(crate) owner: Option<String>,
    pub(crate) previous_owner: Option<String>,
    pub(crate) schema_hash: Option<String>,
    pub(crate) previous_schema_hash: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) created_at: Time,
}

impl AuditEntry {
    fn from_row(row: &Row<'_>, key: &str) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            namespace: row.get("namespace")?,
            previous_namespace: row.get("previous_namespace")?,
            key: key.to_owned(),
            action: row.get("action")?,
            actor: row.get("actor")?,
            previous_version: row.get("previous_version")?,
            version: row.get("version")?,
            metadata: store::json(row, "metadata")?,
            previous_metadata: optional_json(row, "previous_metadata")?,
            tags: store::json(row, "tags")?,
            previous_tags: optional_json(row, "previous_tags")?,
            owner: row.get("owner")?,
            previous_owner: row.get("previous_owner")?,
            schema_hash: row.get("schema_hash")?,
            previous_schema_hash: row.get("previous_schema_hash")?,
            created_at: Time::from_millis(row.get("at")?),
        })
    }

    /// What the record said after this write.
    pub(crate) fn part(&self) -> PersonsPart {
        PersonsPart {
            metadata: self.metadata.clone(),
            tags: self.tags.clone(),
            owner: self.owner.clone(),
            schema_hash: self.schema_hash.clone(),
        }
    }
}

fn optional_json<T: serde::de::DeserializeOwned>(
    row: &Row<'_>,
    name: &str,
) -> rusqlite::Result<Option<T>> {
    if row.get_ref(name)?.as_str_or_null()?.is_none() {
        Ok(None)
    } else {
        store::json(row, name).map(Some)
    }
}

/// Which entries to list.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pick {
    /// The one with this id.
    Id(i64),
    /// The newest that left the record at this version.
    Version(i64),
}

/// Which part of a history to list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    /// Only entries with ids below this one.
    pub(crate) before: Option<i64>,
    pub(crate) limit: i64,
    pub(crate) offset: i64,
}

/// The namespaces of which a reader may see entries, as JSON; `None` is all of them. A record
/// takes its history along when it moves, but who may read it now may not read what it was where
/// it came from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sight(Option<String>);

impl Sight {
    pub(crate) fn of(namespaces: Option<&[String]>) -> Self {
        Self(namespaces.map(crate::db::json_list))
    }
}

/// Holds for entries that the reader in `?2` may see.
const SEEN: &str = "(?2 IS NULL OR namespace IN (SELECT value FROM json_each(?2)))";
/// All columns, but of a namespace before only one that the reader may see.
const SHOWN: &str = "id, action, actor, at, namespace, version, previous_version, metadata, \
     previous_metadata, tags, previous_tags, owner, previous_owner, schema_hash, \
     previous_schema_hash, CASE WHEN ?2 IS NULL OR previous_namespace IN \
     (SELECT value FROM json_each(?2)) THEN previous_namespace END AS previous_namespace";

/// The history of a record, newest first, and how long it is.
pub(crate) fn list(
    connection: &Connection,
    record: &store::Stored,
    sight: &Sight,
    part: Part,
) -> rusqlite::Result<(i64, Vec<AuditEntry>)> {
    let total = connection
        .prepare_cached(&format!(
            "SELECT count(*) FROM record_audit WHERE record_id = ?1 AND {SEEN}"
        ))?
        .query_row(params![record.id, sight.0], |row| row.get(0))?;
    let before = part.before.unwrap_or(i64::MAX);
    let values = params![record.id, sight.0, before, part.limit, part.offset];
    let entries = connection
        .prepare_cached(&format!(
            "SELECT {SHOWN} FROM record_audit WHERE record_id = ?1 AND {SEEN} AND id < ?3 \
             ORDER BY id DESC LIMIT ?4 OFFSET ?5"
        ))?
        .query_map(values, |row| AuditEntry::from_row(row, &record.key))?
        .collect::<rusqlite::Result<_>>()?;
    Ok((total, entries))
}

/// One entry of a record's history.
pub(crate) fn one(
    connection: &Connection,
    record: &store::Stored,
    sight: &Sight,
    pick: Pick,
) -> rusqlite::Result<Option<AuditEntry>> {
    let (condition, value) = match pick {
        Pick::Id(id) => ("id = ?3", id),
        Pick::Version(version) => ("version = ?3", version),
    };
    let sql = format!(
        "SELECT {SHOWN} FROM record_audit WHERE record_id = ?1 AND {SEEN} AND {condition} \
         ORDER BY id DESC LIMIT 1"
    );
    connection
        .prepare_cached(&sql)?
        .query_row(params![record.id, sight.0, value], |row| {
            AuditEntry::from_row(row, &record.key)
        })
        .optional()
}

/// A value at a dotted path.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub(crate) struct PathValue {
    pub(crate) path: String,
    pub(crate) value: Value,
}

/// A value that changed.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub(crate) struct PathChange {
    pub(crate) path: String,
    pub(crate) before: Value,
    pub(crate) after: Value,
}

/// What a write did to the metadata.
#[derive(Clone, Debug, Default, PartialEq, Serialize, utoipa::ToSchema)]
pub(crate) struct MetadataDiff {
    pub(crate) added: Vec<PathValue>,
    pub(crate) removed: Vec<PathValue>,
    pub(crate) changed: Vec<PathChange>,
}

/// What a write did to the tags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct TagsDiff {
    pub(crate) added: Vec<String>,
    pub(crate) removed: Vec<String>,
}

/// What a write did to a single value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct ScalarDiff {
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
    pub(crate) changed: bool,
}

/// What a write did.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Diff {
    pub(crate) audit: AuditEntry,
    pub(crate) metadata: MetadataDiff,
    pub(crate) tags: TagsDiff,
    pub(crate) owner: ScalarDiff,
    pub(crate) schema_hash: ScalarDiff,
    pub(crate) snapshots: Snapshots,
}

/// What the record said after the write, and before it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Snapshots {
    pub(crate) current: SaidThen,
    pub(crate) previous: SaidThen,
}

/// All that a record said at a time; metadata is null where there was no record.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SaidThen {
    #[schema(value_type = Option<Object>)]
    pub(crate) metadata: Option<Metadata>,
    pub(crate) tags: Vec<String>,
    pub(crate) owner: Option<String>,
    pub(crate) schema_hash: Option<String>,
}

impl From<AuditEntry> for Diff {
    fn from(audit: AuditEntry) -> Self {
        let none = Metadata::new();
        let no_tags = Vec::new();
        let mut metadata = MetadataDiff::default();
        walk(
            "",
            audit.previous_metadata.as_ref().unwrap_or(&none),
            &audit.metadata,
            &mut metadata,
        );
        let before = audit.previous_tags.as_ref().unwrap_or(&no_tags);
        let only_in = |these: &[String], those: &[String]| {
            these
                .iter()
                .filter(|tag| !those.contains(tag))
                .cloned()
                .collect()
        };
        let scalar = |before: &Option<String>, after: &Option<String>| ScalarDiff {
            before: before.clone(),
            after: after.clone(),
            changed: before != after,
        };
        Self {
            metadata,
            tags: TagsDiff {
                added: only_in(&audit.tags, before),
                removed: only_in(before, &audit.tags),
            },
            owner: scalar(&audit.previous_owner, &audit.owner),
            schema_hash: scalar(&audit.previous_schema_hash, &audit.schema_hash),
            snapshots: Snapshots {
                current: SaidThen {
                    metadata: Some(audit.metadata.clone()),
                    tags: audit.tags.clone(),
                    owner: audit.owner.clone(),
                    schema_hash: audit.schema_hash.clone(),
                },
                previous: SaidThen {
                    metadata: audit.previous_metadata.clone(),
                    tags: before.clone(),
                    owner: audit.previous_owner.clone(),
                    schema_hash: audit.previous_schema_hash.clone(),
                },
            },
            audit,
        }
    }
}

/// Objects are compared field by field, anything else as a whole.
fn walk(prefix: &str, before: &Metadata, after: &Metadata, diff: &mut MetadataDiff) {
    let path_of = |name: &str| {
        if prefix.is_empty() {
            name.to_owned()
        } else {
            format!("{prefix}.{name}")
        }
    };
    for (name, value) in after {
        let path = path_of(name);
        match (before.get(name), value) {
            (None, value) => diff.added.push(PathValue {
                path,
                value: value.clone(),
            }),
            (Some(was), value) if was == value => {}
            (Some(Value::Object(was)), Value::Object(value)) => walk(&path, was, value, diff),
            (Some(was), value) => diff.changed.push(PathChange {
                path,
                before: was.clone(),
                after: value.clone(),
            }),
        }
    }
    for (name, value) in before.iter().filter(|(name, _)| !after.contains_key(*name)) {
        diff.removed.push(PathValue {
            path: path_of(name),
            value: value.clone(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_diff_names_the_innermost_field_that_differs() {
        let object = |value| serde_json::from_value::<Metadata>(value).unwrap();
        let mut diff = MetadataDiff::default();
        walk(
            "",
            &object(json!({"a": {"b": 1, "c": [1]}, "gone": 1, "same": {"x": 1}})),
            &object(json!({"a": {"b": 2, "c": [1], "d": null}, "new": {"y": 1}, "same": {"x": 1}})),
            &mut diff,
        );
        let value = |path: &str, value| PathValue {
            path: path.to_owned(),
            value,
        };
        assert_eq!(
            diff.added,
            [value("a.d", json!(null)), value("new", json!({"y": 1}))]
        );
        assert_eq!(diff.removed, [value("gone", json!(1))]);
        assert_eq!(
            diff.changed,
            [PathChange {
                path: "a.b".to_owned(),
                before: json!(1),
                after: json!(2)
            }]
        );
    }
}
