-- As node_upsert.sql, for the new book.
INSERT INTO temp.new_nodes (
    node_id, backend_mount_id, path, kind, state, parent_id, version, size_bytes, checksum,
    content_hash, node_metadata, observed_at, last_modified_at, journal_id, command, principal,
    consistency_state, consistency_checked_at, last_reconciled_at, reconciliation_reason,
    previous_state, previous_path, deleted_at, file_type, uid, gid, user_name, group_name, mode, links,
    allocated_bytes, changed_at, attributes, storage_class,
    accessed_at, link_target, object_tags, made_at
)
VALUES (
    ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,
    ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34, ?35, ?36, ?37, ?12
)
ON CONFLICT (node_id) DO UPDATE SET
    backend_mount_id = excluded.backend_mount_id,
    path = excluded.path,
    kind = excluded.kind,
    state = excluded.state,
    parent_id = excluded.parent_id,
    version = excluded.version,
    size_bytes = excluded.size_bytes,
    checksum = excluded.checksum,
    content_hash = excluded.content_hash,
    node_metadata = excluded.node_metadata,
    observed_at = excluded.observed_at,
    last_modified_at = coalesce(excluded.last_modified_at, last_modified_at),
    journal_id = excluded.journal_id,
    command = coalesce(excluded.command, command),
    principal = CASE WHEN excluded.command IS NULL THEN principal ELSE excluded.principal END,
    consistency_state = excluded.consistency_state,
    consistency_checked_at = coalesce(excluded.consistency_checked_at, consistency_checked_at),
    last_reconciled_at = coalesce(excluded.last_reconciled_at, last_reconciled_at),
    reconciliation_reason = coalesce(excluded.reconciliation_reason, reconciliation_reason),
    previous_state = CASE
        WHEN excluded.reconciliation_reason IS NULL THEN previous_state
        ELSE excluded.previous_state
    END,
    previous_path = coalesce(excluded.previous_path, previous_path),
    deleted_at = CASE
        WHEN excluded.deleted_at IS NULL THEN NULL
        ELSE coalesce(new_nodes.deleted_at, excluded.deleted_at)
    END,
    file_type = coalesce(excluded.file_type, file_type),
    uid = coalesce(excluded.uid, uid),
    gid = coalesce(excluded.gid, gid),
    user_name = coalesce(excluded.user_name, user_name),
    group_name = coalesce(excluded.group_name, group_name),
    mode = coalesce(excluded.mode, mode),
    links = coalesce(excluded.links, links),
    allocated_bytes = coalesce(excluded.allocated_bytes, allocated_bytes),
    changed_at = coalesce(excluded.changed_at, changed_at),
    attributes = excluded.attributes,
    storage_class = coalesce(excluded.storage_class, storage_class),
    accessed_at = excluded.accessed_at,
    link_target = excluded.link_target,
    object_tags = excluded.object_tags
WHERE excluded.journal_id > new_nodes.journal_id
