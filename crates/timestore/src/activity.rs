//! The columns of `filestore_activity`: one row for every entry of the journal.
//!
//! Rows with a `version` are *states of a node* (everything `filestore.node.*` except downloads,
//! and what a snapshot wrote); only they have a `size_delta` and a `file_delta`, and the latest
//! state of a node is its row with the largest `journal_id`. The clock may go back, so
//! `observed_at` never decides which of two rows is the later one.
//!
//! The sum of a node's `size_delta` is its size. `file_delta` is the same for the number of files
//! (+1 when a file comes to be or comes back, −1 when it goes, else 0).
//!
//! `file_type, uid, gid, user_name, group_name, mode, links, allocated_bytes, changed_at, modified_at, extension,
//! storage_class, accessed_at` are the node's facts, as of this entry; NULL in rows of the versions before them.
//! `changed` names the facts that differ from the state before, with commas between them.
//! If `uid` or `gid` is among them, the `previous_…` columns tell whose it was, if that was known.
//!
//! `metadata_json` is an object with what the other columns do not hold: `metadata`, `checksum`,
//! `contentHash`, `idempotencyKey`, `linkTarget`, `attributes` (access control lists and extended
//! attributes) and `objectTags` of a node (and `lastModifiedAt` in rows of the versions before
//! `modified_at`); `result`, `idempotencyKey` and
//! `nodesChanged` of a command; `jobId`, `status`, `attempt`, `result` and `error` of a job;
//! `mode` and `range` of a download. It is NULL where there would be nothing in it.

mod builder;
mod row;
mod table;

pub(crate) use builder::Builder;
pub(crate) use row::{Rest, Row, extension};
pub(crate) use table::{DROP_GATHERED, GATHER, create, create_view};

use crate::schema::{Field, FieldType};

/// The type of the rows that a snapshot wrote.
pub const SNAPSHOT_EVENT_TYPE: &str = "filestore.snapshot.node";

/// The columns in their order: name, and SQL type.
pub const COLUMNS: &[(&str, &str)] = &[
    ("observed_at", "TIMESTAMP"),
    ("event_type", "VARCHAR"),
    ("node_id", "BIGINT"),
    ("backend_mount_id", "BIGINT"),
    ("path", "VARCHAR"),
    ("state", "VARCHAR"),
    ("consistency_state", "VARCHAR"),
    ("size_bytes", "BIGINT"),
    ("size_delta", "BIGINT"),
    ("journal_id", "BIGINT"),
    ("command", "VARCHAR"),
    ("principal", "VARCHAR"),
    ("reconciliation_reason", "VARCHAR"),
    ("metadata_json", "VARCHAR"),
    ("kind", "VARCHAR"),
    ("parent_id", "BIGINT"),
    ("version", "BIGINT"),
    ("previous_path", "VARCHAR"),
    ("command_id", "VARCHAR"),
    ("duration_ms", "BIGINT"),
    ("ingested_at", "TIMESTAMP"),
    ("file_delta", "BIGINT"),
    ("previous_backend_mount_id", "BIGINT"),
    ("file_type", "VARCHAR"),
    ("uid", "BIGINT"),
    ("gid", "BIGINT"),
    ("user_name", "VARCHAR"),
    ("group_name", "VARCHAR"),
    ("mode", "BIGINT"),
    ("links", "BIGINT"),
    ("allocated_bytes", "BIGINT"),
    ("changed_at", "TIMESTAMP"),
    ("modified_at", "TIMESTAMP"),
    ("extension", "VARCHAR"),
    ("storage_class", "VARCHAR"),
    ("changed", "VARCHAR"),
    ("previous_uid", "BIGINT"),
    ("previous_gid", "BIGINT"),
    ("previous_user_name", "VARCHAR"),
    ("previous_group_name", "VARCHAR"),
    ("accessed_at", "TIMESTAMP"),
];

/// The columns as the catalogue's fields.
pub(crate) fn fields() -> Vec<Field> {
    let kind = |sql| match sql {
        "TIMESTAMP" => FieldType::Timestamp,
        "BIGINT" => FieldType::Integer,
        _ => FieldType::String,
    };
    COLUMNS
        .iter()
        .map(|(name, sql)| Field {
            name: (*name).to_owned(),
            kind: kind(*sql),
        })
        .collect()
}
