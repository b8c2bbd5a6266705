-- A replay begins with what the book says of a node. What later entries said of it is told again;
-- until then it has no entry.
INSERT OR IGNORE INTO temp.new_nodes
SELECT node_id, backend_mount_id, path, kind, state, parent_id, version, size_bytes, checksum,
       content_hash, node_metadata, observed_at, last_modified_at,
       CASE WHEN journal_id <= ?2 THEN journal_id ELSE 0 END, command, principal,
       consistency_state, consistency_checked_at, last_reconciled_at, reconciliation_reason,
       previous_state, previous_path, CASE WHEN state = 'deleted' THEN deleted_at END,
       file_type, uid, gid, user_name, group_name, mode, links, allocated_bytes, changed_at,
       attributes, storage_class, accessed_at, link_target, object_tags,
       coalesce(made_at, observed_at)
FROM filestore_nodes
WHERE node_id = ?1
