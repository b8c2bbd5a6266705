INSERT OR REPLACE INTO filestore_nodes (
    node_id, record_id, backend_mount_id, path, kind, state, parent_id, version, size_bytes,
    checksum, content_hash, node_metadata, observed_at, last_modified_at, journal_id, command,
    principal, consistency_state, consistency_checked_at, last_reconciled_at,
    reconciliation_reason, previous_state, previous_path, quarantine_reason, deleted_at,
    file_type, uid, gid, user_name, group_name, mode, links,
    allocated_bytes, changed_at, attributes, storage_class
)
SELECT node_id, ?2, backend_mount_id, path, kind, state, parent_id, version, size_bytes,
       checksum, content_hash, node_metadata, observed_at, last_modified_at, journal_id, command,
       principal, consistency_state, consistency_checked_at, last_reconciled_at,
       reconciliation_reason, previous_state, previous_path, ?3, ?4,
       file_type, uid, gid, user_name, group_name, mode, links, allocated_bytes, changed_at,
       attributes, storage_class
FROM temp.new_nodes
WHERE node_id = ?1
