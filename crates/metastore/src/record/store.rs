//! Records in the database.
//!
//! A record has a row of what people wrote, a node, or both. The record of a node that nobody has said
//! anything about has no row: it is shown from the node's, and gets a row when something is said
//! ([`row_of`]).

use super::{Metadata, PersonsPart, Record};
use crate::SYNC_ACTOR;
use crate::node::Node;
use journal::Time;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::Value;

/// Every column that a record is shown with; [`RECORDS`] or [`NODES`] follows.
pub(crate) const SELECT: &str = include_str!("../sql/records_select.sql");

/// What people wrote, each with its node if it is a node's.
pub(crate) const RECORDS: &str = "FROM records r LEFT JOIN filestore_nodes n ON n.record_id = r.id";

/// Nodes, each with what people wrote. The plus keeps SQLite from beginning with `records`. Those
/// without a namespace have no record.
pub(crate) const NODES: &str = "FROM filestore_nodes n LEFT JOIN records r ON r.id = +n.record_id";

/// A record as it is stored.
#[derive(Debug)]
pub(crate) struct Stored {
    /// The row of what people wrote, if there is one.
    pub(crate) id: Option<i64>,
    /// The node, if it is a node's.
    pub(crate) node_id: Option<i64>,
    pub(crate) namespace: String,
    pub(crate) key: String,
    pub(crate) part: PersonsPart,
    pub(crate) version: i64,
    pub(crate) created_at: Time,
    pub(crate) updated_at: Time,
    /// A person's part of the soft deletion.
    pub(crate) deleted_at: Option<Time>,
    pub(crate) created_by: Option<String>,
    pub(crate) updated_by: Option<String>,
    pub(crate) node: Option<Node>,
}

impl Stored {
    pub(crate) fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            node_id: row.get("node_id")?,
            namespace: row.get("namespace")?,
            key: row.get("key")?,
            part: PersonsPart {
                metadata: json(row, "metadata")?,
                tags: json(row, "tags")?,
                owner: row.get("owner")?,
                schema_hash: row.get("schema_hash")?,
            },
            version: row.get("version")?,
            created_at: Time::from_millis(row.get("created_at")?),
            updated_at: Time::from_millis(row.get("updated_at")?),
            deleted_at: row
                .get::<_, Option<i64>>("deleted_at")?
                .map(Time::from_millis),
            created_by: row.get("created_by")?,
            updated_by: row.get("updated_by")?,
            node: Node::from_row(row)?,
        })
    }

    /// When it was soft-deleted, by a person or else by the sync.
    pub(crate) fn shown_deleted_at(&self) -> Option<Time> {
        self.deleted_at.or_else(|| self.node.as_ref()?.deleted_at)
    }

    /// The record as it is shown.
    pub(crate) fn shown(self) -> Record {
        let deleted_at = self.shown_deleted_at();
        let mut metadata = self.part.metadata;
        if let Some(node) = &self.node {
            metadata.insert("filestore".to_owned(), as_value(node));
        }
        Record {
            namespace: self.namespace,
            key: self.key,
            metadata,
            tags: self.part.tags,
            owner: self.part.owner,
            schema_hash: self.part.schema_hash,
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
            deleted_at,
            created_by: self.created_by,
            updated_by: self.updated_by,
        }
    }
}

/// A node as JSON. Its fields all have JSON forms, so there is nothing that could fail.
pub(crate) fn as_value(node: &Node) -> Value {
    serde_json::to_value(node).unwrap_or_default()
}

/// A column that holds JSON.
pub(crate) fn json<T: serde::de::DeserializeOwned>(
    row: &Row<'_>,
    name: &str,
) -> rusqlite::Result<T> {
    parsed(row.get_ref(name)?.as_str()?)
}

/// JSON that was stored.
pub(crate) fn parsed<T: serde::de::DeserializeOwned>(text: &str) -> rusqlite::Result<T> {
    serde_json::from_str(text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error)))
}

/// The record with this row id.
pub(crate) fn by_id(connection: &Connection, id: i64) -> rusqlite::Result<Option<Stored>> {
    one(connection, RECORDS, "r.id = ?1", [id])
}

/// The record under this name, deleted or not.
pub(crate) fn by_key(
    connection: &Connection,
    namespace: &str,
    key: &str,
) -> rusqlite::Result<Option<Stored>> {
    let by_name = "r.namespace = ?1 AND r.key = ?2";
    if let Some(record) = one(connection, RECORDS, by_name, [namespace, key])? {
        return Ok(Some(record));
    }
    let Some(node_id) = node_of_key(key) else {
        return Ok(None);
    };
    let without_row = "n.node_id = ?1 AND n.record_id IS NULL \
                       AND n.namespace = (SELECT id FROM namespaces WHERE name = ?2)";
    one(connection, NODES, without_row, params![node_id, namespace])
}

/// The node whose record has this key, if it is a node's.
pub(crate) fn node_of_key(key: &str) -> Option<i64> {
    let id: i64 = key.parse().ok()?;
    (id > 0 && id.to_string() == key).then_some(id)
}

/// The record of the live node at this path.
pub(crate) fn by_path(
    connection: &Connection,
    backend_mount_id: i64,
    path: &str,
) -> rusqlite::Result<Option<Stored>> {
    let live = "n.path = ?2 AND n.backend_mount_id = ?1 AND n.state <> 'deleted' \
                AND n.namespace IS NOT NULL";
    one(connection, NODES, live, params![backend_mount_id, path])
}

fn one<P: rusqlite::Params>(
    connection: &Connection,
    from: &str,
    condition: &str,
    params: P,
) -> rusqlite::Result<Option<Stored>> {
    connection
        .prepare_cached(&format!("{SELECT} {from} WHERE {condition}"))?
        .query_row(params, Stored::from_row)
        .optional()
}

/// The row of a record, made if it has none. The record stays as it is shown.
pub(crate) fn row_of(connection: &Connection, record: &Stored) -> rusqlite::Result<i64> {
    match (record.id, record.node_id) {
        (Some(id), _) => Ok(id),
        (None, Some(node_id)) => make_row(connection, node_id),
        (None, None) => Err(rusqlite::Error::QueryReturnedNoRows),
    }
}

/// Makes the row of a node's record that has none.
pub(crate) fn make_row(connection: &Connection, node_id: i64) -> rusqlite::Result<i64> {
    let id = connection
        .prepare_cached(include_str!("../sql/record_row.sql"))?
        .query_row(params![node_id, SYNC_ACTOR], |row| row.get(0))?;
    connection
        .prepare_cached(
            "UPDATE filestore_nodes SET record_id = ?2, made_at = NULL WHERE node_id = ?1",
        )?
        .execute([node_id, id])?;
    Ok(id)
}

/// Writes what was said, but for the tags.
pub(crate) fn write_part(
    connection: &Connection,
    id: i64,
    part: &PersonsPart,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE records SET metadata = ?2, owner = ?3, schema_hash = ?4 WHERE id = ?1",
        )?
        .execute(params![
            id,
            text(&part.metadata),
            part.owner,
            part.schema_hash
        ])?;
    Ok(())
}

/// A JSON object as text.
pub(crate) fn text(metadata: &Metadata) -> String {
    // A map of JSON values always has a text.
    serde_json::to_string(metadata).unwrap_or_else(|_| "{}".to_owned())
}

/// Writes the difference between two sorted lists of tags.
pub(crate) fn replace_tags(
    connection: &Connection,
    id: i64,
    before: &[String],
    after: &[String],
) -> rusqlite::Result<()> {
    let mut add = connection
        .prepare_cached("INSERT OR IGNORE INTO record_tags (record_id, tag) VALUES (?1, ?2)")?;
    for tag in after.iter().filter(|tag| !before.contains(tag)) {
        add.execute(params![id, tag])?;
    }
    let mut remove =
        connection.prepare_cached("DELETE FROM record_tags WHERE record_id = ?1 AND tag = ?2")?;
    for tag in before.iter().filter(|tag| !after.contains(tag)) {
        remove.execute(params![id, tag])?;
    }
    Ok(())
}
