//! What people do to records, each inside the caller's transaction.
//!
//! `metadata.filestore` is the sync's. A client that sends back what it was shown is not refused
//! for that: an echo of the node's present or an earlier state is dropped. Anything else there is
//! an error, because it would not take effect.

use super::outcome::{Author, Outcome, Target, Written};
use super::store::{self, Stored};
use super::{
    Metadata, PersonsPart, RecordError, TagsPatch, audit, once, persons_part, schema, valid,
};
use crate::node::Node;
use journal::Time;
use rusqlite::{Connection, params};
use serde::Serialize;
use serde_json::Value;

/// The most that a record's metadata may take as JSON text.
const METADATA_BYTES: usize = 1 << 20;

const GONE: &str = "the record is soft-deleted; restore it first";
const NODE_GONE: &str = "the record's node is deleted in filestore; the record comes back when the \
                         node does";

/// A change of parts.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Patch {
    pub(crate) metadata: Option<MetadataPatch>,
    pub(crate) unset: Vec<String>,
    pub(crate) tags: Option<TagsPatch>,
    /// `Some(None)` clears it.
    pub(crate) owner: Option<Option<String>>,
    /// `Some(None)` clears it.
    pub(crate) schema_hash: Option<Option<String>>,
}

/// A change of a person's metadata.
#[derive(Clone, Debug, Serialize)]
pub(crate) enum MetadataPatch {
    /// Objects field by field; null is a value.
    Merge(Metadata),
    /// As RFC 7396 says: null removes.
    MergePatch(Metadata),
    /// All of it goes.
    Clear,
}

/// Makes a record, or gives the one that is there as it is.
pub(crate) fn create(
    connection: &Connection,
    author: &Author,
    target: &Target,
    part: PersonsPart,
) -> Result<Written, RecordError> {
    if let Some(there) = store::by_key(connection, &target.namespace, &target.key)? {
        if there.shown_deleted_at().is_some() {
            return Err(RecordError::Deleted(
                "the record exists and is soft-deleted; restore it",
            ));
        }
        return Ok((Outcome::Unchanged, there));
    }
    let record = insert(connection, author, target, part)?;
    Ok((Outcome::Created, record))
}

/// Replaces all that a person says; makes the record if there is none, lifts a person's deletion.
pub(crate) fn put(
    connection: &Connection,
    author: &Author,
    target: &Target,
    mut part: PersonsPart,
) -> Result<Written, RecordError> {
    let Some(before) = store::by_key(connection, &target.namespace, &target.key)? else {
        target.conditions.check(None)?;
        if let Some(expected) = target.expected_version {
            return Err(RecordError::Version {
                expected,
                current: 0,
            });
        }
        return Ok((Outcome::Created, insert(connection, author, target, part)?));
    };
    check_version(target, &before)?;
    check_node(&before)?;
    drop_echo(&mut part.metadata, before.node.as_ref())?;
    schema::check(connection, Some(&before.part), &part)?;
    change(connection, author, before, part, "update", None)
}

/// Changes parts of what a person says.
pub(crate) fn patch(
    connection: &Connection,
    author: &Author,
    target: &Target,
    patch: Patch,
) -> Result<Written, RecordError> {
    let before = find(connection, target)?;
    check_version(target, &before)?;
    check_node(&before)?;
    if before.deleted_at.is_some() {
        return Err(RecordError::Deleted(GONE));
    }
    let mut after = before.part.clone();
    if let Some(metadata) = patch.metadata {
        merge(&mut after.metadata, metadata, before.node.as_ref())?;
    }
    for (index, path) in patch.unset.iter().enumerate() {
        if path == "filestore" || path.starts_with("filestore.") {
            let pointer = format!("/metadataUnset/{index}");
            return Err(RecordError::invalid(
                pointer,
                "metadata.filestore is written by the sync",
            ));
        }
        persons_part::unset(&mut after.metadata, path);
    }
    if let Some(tags) = &patch.tags {
        after.patch_tags(tags);
    }
    if let Some(owner) = patch.owner {
        after.owner = owner;
    }
    if let Some(schema_hash) = patch.schema_hash {
        after.schema_hash = schema_hash;
    }
    schema::check(connection, Some(&before.part), &after)?;
    change(connection, author, before, after, "update", None)
}

fn merge(
    base: &mut Metadata,
    patch: MetadataPatch,
    node: Option<&Node>,
) -> Result<(), RecordError> {
    match patch {
        MetadataPatch::Merge(mut metadata) => {
            drop_echo(&mut metadata, node)?;
            persons_part::merge(base, metadata);
        }
        MetadataPatch::MergePatch(mut metadata) => {
            drop_echo(&mut metadata, node)?;
            persons_part::merge_patch(base, metadata);
        }
        MetadataPatch::Clear => base.clear(),
    }
    Ok(())
}

/// Soft-deletes a record; a person's part of it, whatever its node does.
pub(crate) fn delete(
    connection: &Connection,
    author: &Author,
    target: &Target,
) -> Result<Written, RecordError> {
    let before = find(connection, target)?;
    if before.deleted_at.is_some() {
        return Ok((Outcome::Unchanged, before));
    }
    check_version(target, &before)?;
    let part = before.part.clone();
    change(connection, author, before, part, "delete", Some(author.now))
}

/// Lifts a person's deletion and, if `to` names one, goes back to what an audit entry says. That
/// was checked against its schema when it was written.
pub(crate) fn restore(
    connection: &Connection,
    author: &Author,
    target: &Target,
    sight: &audit::Sight,
    to: Option<audit::Pick>,
) -> Result<(Written, Option<(i64, i64)>), RecordError> {
    let before = find(connection, target)?;
    check_version(target, &before)?;
    check_node(&before)?;
    let mut restored_from = None;
    let mut part = before.part.clone();
    if let Some(pick) = to {
        let Some(entry) = audit::one(connection, &before, sight, pick)? else {
            let pointer = match pick {
                audit::Pick::Id(_) => "/auditId",
                audit::Pick::Version(_) => "/version",
            };
            return Err(RecordError::invalid(
                pointer,
                "the record's audit has no such entry",
            ));
        };
        restored_from = Some((entry.id, entry.version));
        part = entry.part();
    }
    let written = change(connection, author, before, part, "restore", None)?;
    Ok((written, restored_from))
}

/// Removes a record with its history. The record of a node that is still there begins again,
/// empty: nothing that a person wrote is left, and the node keeps its place.
pub(crate) fn purge(
    connection: &Connection,
    author: &Author,
    target: &Target,
) -> Result<Stored, RecordError> {
    let before = find(connection, target)?;
    check_version(target, &before)?;
    let id = store::row_of(connection, &before)?;
    record_purge(connection, author, &before, id)?;
    connection.execute("DELETE FROM records WHERE id = ?1", [id])?;
    once::empty(connection, id)?;
    if let Some(node_id) = before.node_id {
        connection
            .prepare_cached(include_str!("../sql/node_purged.sql"))?
            .execute(params![node_id, author.now.as_millis()])?;
    }
    Ok(before)
}

/// What watchers are told of a purge, after the record's audit is gone.
fn record_purge(
    connection: &Connection,
    author: &Author,
    record: &Stored,
    id: i64,
) -> Result<(), RecordError> {
    // The audit gives the id, and goes with the record.
    audit::Change {
        record_id: id,
        action: "purge",
        actor: author.subject.as_deref(),
        at: author.now,
        namespace: &record.namespace,
        previous_namespace: None,
        version: record.version,
        part: &record.part,
        previous: None,
    }
    .write(connection)?;
    connection.execute(
        "INSERT INTO record_purges (id, namespace, key, version, at, actor)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            connection.last_insert_rowid(),
            record.namespace,
            record.key,
            record.version,
            author.now.as_millis(),
            author.subject,
        ],
    )?;
    Ok(())
}

fn find(connection: &Connection, target: &Target) -> Result<Stored, RecordError> {
    store::by_key(connection, &target.namespace, &target.key)?.ok_or_else(|| {
        let Target { namespace, key, .. } = target.clone();
        RecordError::NotFound { namespace, key }
    })
}

fn check_version(target: &Target, record: &Stored) -> Result<(), RecordError> {
    target.conditions.check(Some(record.version))?;
    match target.expected_version {
        Some(expected) if expected != record.version => Err(RecordError::Version {
            expected,
            current: record.version,
        }),
        _ => Ok(()),
    }
}

/// What the sync deleted, only the sync brings back.
fn check_node(record: &Stored) -> Result<(), RecordError> {
    match &record.node {
        Some(node) if node.deleted_at.is_some() => Err(RecordError::Deleted(NODE_GONE)),
        _ => Ok(()),
    }
}

/// Removes an echo of the sync's part.
fn drop_echo(metadata: &mut Metadata, node: Option<&Node>) -> Result<(), RecordError> {
    let Some(echo) = metadata.remove("filestore") else {
        return Ok(());
    };
    let refused = RecordError::invalid(
        "/metadata/filestore",
        "this part is written by the sync; leave it out, or send it back as it was shown",
    );
    let (Some(node), Some(told)) = (node, echo.get("journalId").and_then(Value::as_u64)) else {
        return Err(refused);
    };
    let is_older = told < node.journal_id.get();
    if is_older || is_echo(echo, store::as_value(node)) {
        Ok(())
    } else {
        Err(refused)
    }
}

/// Whether both are the same but for the last comparison with the disk, which has no journal id.
fn is_echo(mut echo: Value, mut node: Value) -> bool {
    for value in [&mut echo, &mut node] {
        if let Some(fields) = value.as_object_mut() {
            fields.remove("consistencyState");
        }
    }
    echo == node
}

fn insert(
    connection: &Connection,
    author: &Author,
    target: &Target,
    mut part: PersonsPart,
) -> Result<Stored, RecordError> {
    drop_echo(&mut part.metadata, None)?;
    check_size(&part)?;
    schema::check(connection, None, &part)?;
    let id = insert_row(connection, author, target, &part)?;
    audit::Change {
        record_id: id,
        action: "create",
        actor: author.subject.as_deref(),
        at: author.now,
        namespace: &target.namespace,
        previous_namespace: None,
        version: 1,
        part: &part,
        previous: None,
    }
    .write(connection)?;
    find(connection, target)
}

fn insert_row(
    connection: &Connection,
    author: &Author,
    target: &Target,
    part: &PersonsPart,
) -> Result<i64, RecordError> {
    let id = connection
        .prepare_cached(include_str!("../sql/record_insert.sql"))?
        .query_row(
            params![
                target.namespace,
                target.key,
                store::text(&part.metadata),
                part.owner,
                part.schema_hash,
                author.now.as_millis(),
                author.subject,
            ],
            |row| row.get(0),
        )?;
    store::replace_tags(connection, id, &[], &part.tags)?;
    Ok(id)
}

/// Writes what differs from before, with its audit; nothing, if nothing does.
fn change(
    connection: &Connection,
    author: &Author,
    before: Stored,
    part: PersonsPart,
    action: &'static str,
    deleted_at: Option<Time>,
) -> Result<Written, RecordError> {
    if before.part == part && before.deleted_at == deleted_at {
        return Ok((Outcome::Unchanged, before));
    }
    check_size(&part)?;
    let version = before.version.saturating_add(1);
    let id = store::row_of(connection, &before)?;
    store::write_part(connection, id, &part)?;
    store::replace_tags(connection, id, &before.part.tags, &part.tags)?;
    connection
        .prepare_cached(include_str!("../sql/record_stamp.sql"))?
        .execute(params![
            id,
            version,
            author.now.as_millis(),
            author.subject,
            deleted_at.map(Time::as_millis),
        ])?;
    audit::Change {
        record_id: id,
        action,
        actor: author.subject.as_deref(),
        at: author.now,
        namespace: &before.namespace,
        previous_namespace: None,
        version,
        part: &part,
        previous: Some((before.version, &before.part)),
    }
    .write(connection)?;
    let after = store::by_id(connection, id)?.ok_or(RecordError::NotFound {
        namespace: before.namespace,
        key: before.key,
    })?;
    Ok((Outcome::Changed, after))
}

fn check_size(part: &PersonsPart) -> Result<(), RecordError> {
    let bytes = store::text(&part.metadata).len();
    if bytes > METADATA_BYTES {
        return Err(RecordError::TooLarge {
            bytes,
            most: METADATA_BYTES,
        });
    }
    valid::tags(&part.tags).map_err(|detail| RecordError::invalid("/tags", detail))
}
