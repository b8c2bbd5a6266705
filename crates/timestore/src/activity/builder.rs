//! Rows into Arrow columns, column by column and without a value type in between.

use super::{Row, fields};
use crate::schema::arrow_schema;
use duckdb::arrow::array::{ArrayRef, Int64Builder, StringBuilder, TimestampMicrosecondBuilder};
use duckdb::arrow::datatypes::SchemaRef;
use duckdb::arrow::error::ArrowError;
use duckdb::arrow::record_batch::RecordBatch;
use journal::{FileType, Time};
use std::sync::{Arc, LazyLock};

/// The columns as Arrow names them.
static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| arrow_schema(&fields()));

/// Builds one batch of activity rows.
pub(crate) struct Builder {
    ingested_at_micros: i64,
    observed_at: TimestampMicrosecondBuilder,
    event_type: StringBuilder,
    node_id: Int64Builder,
    backend_mount_id: Int64Builder,
    path: StringBuilder,
    state: StringBuilder,
    consistency_state: StringBuilder,
    size_bytes: Int64Builder,
    size_delta: Int64Builder,
    journal_id: Int64Builder,
    command: StringBuilder,
    principal: StringBuilder,
    reconciliation_reason: StringBuilder,
    metadata_json: StringBuilder,
    kind: StringBuilder,
    parent_id: Int64Builder,
    version: Int64Builder,
    previous_path: StringBuilder,
    command_id: StringBuilder,
    duration_ms: Int64Builder,
    ingested_at: TimestampMicrosecondBuilder,
    file_delta: Int64Builder,
    previous_backend_mount_id: Int64Builder,
    file_type: StringBuilder,
    uid: Int64Builder,
    gid: Int64Builder,
    user_name: StringBuilder,
    group_name: StringBuilder,
    mode: Int64Builder,
    links: Int64Builder,
    allocated_bytes: Int64Builder,
    changed_at: TimestampMicrosecondBuilder,
    modified_at: TimestampMicrosecondBuilder,
    extension: StringBuilder,
    storage_class: StringBuilder,
    changed: StringBuilder,
    previous_uid: Int64Builder,
    previous_gid: Int64Builder,
    previous_user_name: StringBuilder,
    previous_group_name: StringBuilder,
    accessed_at: TimestampMicrosecondBuilder,
    /// Reused for each row.
    json: String,
}

impl Builder {
    /// `rows` is how many are expected.
    pub(crate) fn with_capacity(rows: usize, ingested_at: Time) -> Self {
        let text = |bytes| StringBuilder::with_capacity(rows, rows * bytes);
        let integer = || Int64Builder::with_capacity(rows);
        let time = || TimestampMicrosecondBuilder::with_capacity(rows);
        Self {
            ingested_at_micros: ingested_at.as_micros(),
            observed_at: time(),
            event_type: text(22),
            node_id: integer(),
            backend_mount_id: integer(),
            path: text(64),
            state: text(8),
            consistency_state: text(0),
            size_bytes: integer(),
            size_delta: integer(),
            journal_id: integer(),
            command: text(12),
            principal: text(8),
            reconciliation_reason: text(0),
            metadata_json: text(48),
            kind: text(8),
            parent_id: integer(),
            version: integer(),
            previous_path: text(0),
            command_id: text(36),
            duration_ms: integer(),
            ingested_at: time(),
            file_delta: integer(),
            previous_backend_mount_id: integer(),
            file_type: text(8),
            uid: integer(),
            gid: integer(),
            user_name: text(4),
            group_name: text(4),
            mode: integer(),
            links: integer(),
            allocated_bytes: integer(),
            changed_at: time(),
            modified_at: time(),
            extension: text(4),
            storage_class: text(0),
            changed: text(0),
            previous_uid: integer(),
            previous_gid: integer(),
            previous_user_name: text(0),
            previous_group_name: text(0),
            accessed_at: time(),
            json: String::new(),
        }
    }

    pub(crate) fn push(&mut self, row: &Row<'_>) {
        self.observed_at.append_value(row.observed_at.as_micros());
        self.event_type.append_value(row.event_type);
        self.node_id.append_option(row.node_id);
        self.backend_mount_id.append_option(row.backend_mount_id);
        self.path.append_option(row.path);
        self.state.append_option(row.state);
        self.consistency_state.append_option(row.consistency_state);
        self.size_bytes.append_option(row.size_bytes);
        self.size_delta.append_option(row.size_delta);
        self.journal_id.append_value(row.journal_id.as_i64());
        self.command.append_option(row.command);
        self.principal.append_option(row.principal);
        self.reconciliation_reason
            .append_option(row.reconciliation_reason);
        self.json.clear();
        row.rest.write(&mut self.json);
        self.metadata_json
            .append_option((!self.json.is_empty()).then_some(&self.json));
        self.kind.append_option(row.kind);
        self.parent_id.append_option(row.parent_id);
        self.version.append_option(row.version);
        self.previous_path.append_option(row.previous_path);
        self.command_id.append_option(row.command_id);
        self.duration_ms.append_option(row.duration_ms);
        self.ingested_at.append_value(self.ingested_at_micros);
        self.file_delta.append_option(row.file_delta);
        self.previous_backend_mount_id
            .append_option(row.previous_backend_mount_id);
        let inode = row.inode;
        let wide = |number: Option<u32>| number.map(i64::from);
        self.file_type
            .append_option(inode.file_type.map(FileType::as_str));
        self.uid.append_option(wide(inode.uid));
        self.gid.append_option(wide(inode.gid));
        self.user_name.append_option(inode.user);
        self.group_name.append_option(inode.group);
        self.mode.append_option(wide(inode.mode));
        self.links.append_option(wide(inode.links));
        self.allocated_bytes.append_option(inode.allocated_bytes);
        self.changed_at
            .append_option(inode.changed_at.map(Time::as_micros));
        self.modified_at
            .append_option(row.modified_at.map(Time::as_micros));
        self.extension.append_option(row.extension.as_deref());
        self.storage_class.append_option(inode.storage_class);
        self.json.clear();
        for name in row.changed.names() {
            if !self.json.is_empty() {
                self.json.push(',');
            }
            self.json.push_str(name);
        }
        self.changed
            .append_option((!self.json.is_empty()).then_some(&self.json));
        let previous = row.previous_owner;
        self.previous_uid.append_option(wide(previous.uid));
        self.previous_gid.append_option(wide(previous.gid));
        self.previous_user_name.append_option(previous.user);
        self.previous_group_name.append_option(previous.group);
        self.accessed_at
            .append_option(inode.accessed_at.map(Time::as_micros));
    }

    pub(crate) fn finish(mut self) -> Result<RecordBatch, ArrowError> {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.observed_at.finish()),
            Arc::new(self.event_type.finish()),
            Arc::new(self.node_id.finish()),
            Arc::new(self.backend_mount_id.finish()),
            Arc::new(self.path.finish()),
            Arc::new(self.state.finish()),
            Arc::new(self.consistency_state.finish()),
            Arc::new(self.size_bytes.finish()),
            Arc::new(self.size_delta.finish()),
            Arc::new(self.journal_id.finish()),
            Arc::new(self.command.finish()),
            Arc::new(self.principal.finish()),
            Arc::new(self.reconciliation_reason.finish()),
            Arc::new(self.metadata_json.finish()),
            Arc::new(self.kind.finish()),
            Arc::new(self.parent_id.finish()),
            Arc::new(self.version.finish()),
            Arc::new(self.previous_path.finish()),
            Arc::new(self.command_id.finish()),
            Arc::new(self.duration_ms.finish()),
            Arc::new(self.ingested_at.finish()),
            Arc::new(self.file_delta.finish()),
            Arc::new(self.previous_backend_mount_id.finish()),
            Arc::new(self.file_type.finish()),
            Arc::new(self.uid.finish()),
            Arc::new(self.gid.finish()),
            Arc::new(self.user_name.finish()),
            Arc::new(self.group_name.finish()),
            Arc::new(self.mode.finish()),
            Arc::new(self.links.finish()),
            Arc::new(self.allocated_bytes.finish()),
            Arc::new(self.changed_at.finish()),
            Arc::new(self.modified_at.finish()),
            Arc::new(self.extension.finish()),
            Arc::new(self.storage_class.finish()),
            Arc::new(self.changed.finish()),
            Arc::new(self.previous_uid.finish()),
            Arc::new(self.previous_gid.finish()),
            Arc::new(self.previous_user_name.finish()),
            Arc::new(self.previous_group_name.finish()),
            Arc::new(self.accessed_at.finish()),
        ];
        RecordBatch::try_new(Arc::clone(&SCHEMA), columns)
    }
}
