-- The new book beside the present one, a page at a time.
SELECT s.node_id, s.backend_mount_id, s.path, s.kind, s.state, s.node_metadata, s.observed_at,
       s.deleted_at, n.record_id, n.namespace, n.deleted_at AS hidden_at, n.quarantine_reason,
       n.node_id IS NOT NULL AND (
           s.backend_mount_id, s.path, s.kind, s.state, s.parent_id, s.version, s.size_bytes,
           s.checksum, s.content_hash, s.node_metadata, s.observed_at, s.last_modified_at,
           s.journal_id, s.command, s.principal, s.consistency_state, s.consistency_checked_at,
           s.last_reconciled_at, s.reconciliation_reason, s.previous_state, s.previous_path,
           s.file_type, s.uid, s.gid, s.user_name, s.group_name, s.mode, s.links,
           s.allocated_bytes, s.changed_at, s.attributes, s.storage_class,
           s.accessed_at, s.link_target, s.object_tags
       ) IS (
           n.backend_mount_id, n.path, n.kind, n.state, n.parent_id, n.version, n.size_bytes,
           n.checksum, n.content_hash, n.node_metadata, n.observed_at, n.last_modified_at,
           n.journal_id, n.command, n.principal, n.consistency_state, n.consistency_checked_at,
           n.last_reconciled_at, n.reconciliation_reason, n.previous_state, n.previous_path,
           n.file_type, n.uid, n.gid, n.user_name, n.group_name, n.mode, n.links,
           n.allocated_bytes, n.changed_at, n.attributes, n.storage_class,
           n.accessed_at, n.link_target, n.object_tags
       ) AS is_same
FROM temp.new_nodes s
LEFT JOIN filestore_nodes n ON n.node_id = s.node_id
WHERE s.node_id > ?1
ORDER BY s.node_id
LIMIT ?2
