-- A node that the book does not have yet.
INSERT INTO filestore_nodes (
    node_id, record_id, backend_mount_id, path, kind, state, parent_id, version, size_bytes,
    checksum, content_hash, node_metadata, observed_at, last_modified_at, journal_id, command,
    principal, consistency_state, consistency_checked_at, last_reconciled_at,
    reconciliation_reason, previous_state, previous_path, quarantine_reason, deleted_at,
    file_type, uid, gid, user_name, group_name, mode, links,
    allocated_bytes, changed_at, attributes, storage_class,
    accessed_at, link_target, object_tags, namespace
)
VALUES (
    ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,
    ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34, ?35, ?36, ?37,
    ?38, ?39, ?40
)
