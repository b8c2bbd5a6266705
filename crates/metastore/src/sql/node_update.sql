-- A node's whole state anew, where its path, mount, record and namespace stay: no index is touched. What only
-- some entries know (who commanded it, how the last comparison with the disk went, the path before
-- the last move) stays from the last that did. Numbered as node_insert.sql.
UPDATE filestore_nodes SET
    kind = ?5,
    state = ?6,
    parent_id = ?7,
    version = ?8,
    size_bytes = ?9,
    checksum = ?10,
    content_hash = ?11,
    node_metadata = ?12,
    observed_at = ?13,
    last_modified_at = coalesce(?14, last_modified_at),
    journal_id = ?15,
    command = coalesce(?16, command),
    principal = CASE WHEN ?16 IS NULL THEN principal ELSE ?17 END,
    consistency_state = ?18,
    consistency_checked_at = coalesce(?19, consistency_checked_at),
    last_reconciled_at = coalesce(?20, last_reconciled_at),
    reconciliation_reason = coalesce(?21, reconciliation_reason),
    previous_state = CASE WHEN ?21 IS NULL THEN previous_state ELSE ?22 END,
    previous_path = coalesce(?23, previous_path),
    quarantine_reason = ?24,
    deleted_at = CASE WHEN ?25 IS NULL THEN NULL ELSE coalesce(deleted_at, ?25) END,
    file_type = coalesce(?26, file_type),
    uid = coalesce(?27, uid),
    gid = coalesce(?28, gid),
    user_name = coalesce(?29, user_name),
    group_name = coalesce(?30, group_name),
    mode = coalesce(?31, mode),
    links = coalesce(?32, links),
    allocated_bytes = coalesce(?33, allocated_bytes),
    changed_at = coalesce(?34, changed_at),
    attributes = ?35,
    storage_class = coalesce(?36, storage_class),
    accessed_at = ?37,
    link_target = ?38,
    object_tags = ?39,
    made_at = CASE
        WHEN record_id IS NULL AND namespace IS NOT NULL
        THEN nullif(coalesce(made_at, observed_at), ?13)
    END
WHERE node_id = ?1
