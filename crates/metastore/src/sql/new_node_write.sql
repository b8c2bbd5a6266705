-- A record without a row stays as old as it is.
INSERT OR REPLACE INTO filestore_nodes (
    node_id, record_id, backend_mount_id, path, kind, state, parent_id, version, size_bytes,
    checksum, content_hash, node_metadata, observed_at, last_modified_at, journal_id, command,
    principal, consistency_state, consistency_checked_at, last_reconciled_at,
    reconciliation_reason, previous_state, previous_path, quarantine_reason, deleted_at,
    file_type, uid, gid, user_name, group_name, mode, links,
    allocated_bytes, changed_at, attributes, storage_class,
    accessed_at, link_target, object_tags, namespace, made_at
)
SELECT node_id, ?2, backend_mount_id, path, kind, state, parent_id, version, size_bytes,
       checksum, content_hash, node_metadata, observed_at, last_modified_at, journal_id, command,
       principal, consistency_state, consistency_checked_at, last_reconciled_at,
       reconciliation_reason, previous_state, previous_path, ?3, ?4,
       file_type, uid, gid, user_name, group_name, mode, links, allocated_bytes, changed_at,
       attributes, storage_class, accessed_at, link_target, object_tags, ?5,
       CASE WHEN ?2 IS NULL AND ?5 IS NOT NULL THEN nullif(
           coalesce(
               (
                   SELECT coalesce(n.made_at, n.observed_at)
                   FROM filestore_nodes n
                   WHERE n.node_id = ?1 AND n.record_id IS NULL AND n.namespace IS NOT NULL
               ),
               made_at
           ),
           observed_at
       ) END
FROM temp.new_nodes
WHERE node_id = ?1
