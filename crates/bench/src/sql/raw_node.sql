-- The statement that writes a node's whole state, as the sink has it.
INSERT INTO filestore_nodes (
    node_id, namespace, backend_mount_id, path, kind, state, parent_id, version, size_bytes,
    checksum, content_hash, node_metadata, observed_at, last_modified_at, journal_id, command,
    principal, consistency_state, consistency_checked_at, last_reconciled_at,
    reconciliation_reason, previous_state, previous_path, quarantine_reason, deleted_at,
    file_type, uid, gid, user_name, group_name, mode, links, allocated_bytes, changed_at
)
VALUES (
    ?1, 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,
    ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33
)
ON CONFLICT (node_id) DO UPDATE SET
    namespace = excluded.namespace,
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
    quarantine_reason = excluded.quarantine_reason,
    deleted_at = CASE
        WHEN excluded.deleted_at IS NULL THEN NULL
        ELSE coalesce(filestore_nodes.deleted_at, excluded.deleted_at)
    END,
    file_type = coalesce(excluded.file_type, file_type),
    uid = coalesce(excluded.uid, uid),
    gid = coalesce(excluded.gid, gid),
    user_name = coalesce(excluded.user_name, user_name),
    group_name = coalesce(excluded.group_name, group_name),
    mode = coalesce(excluded.mode, mode),
    links = coalesce(excluded.links, links),
    allocated_bytes = coalesce(excluded.allocated_bytes, allocated_bytes),
    changed_at = coalesce(excluded.changed_at, changed_at)
WHERE excluded.journal_id > filestore_nodes.journal_id
