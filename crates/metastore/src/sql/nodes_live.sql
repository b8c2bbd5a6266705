SELECT node_id, backend_mount_id, path, kind, state, parent_id, version, size_bytes, journal_id,
       checksum, content_hash, node_metadata, consistency_state, last_modified_at, observed_at,
       file_type, uid, gid, user_name, group_name, mode, links, allocated_bytes, changed_at,
       attributes, storage_class,
    accessed_at, link_target, object_tags
FROM filestore_nodes
WHERE node_id > ?1 AND state <> 'deleted'
    AND (?3 IS NULL OR namespace IN (
        SELECT id FROM namespaces WHERE name IN (SELECT value FROM json_each(?3))
    ))
ORDER BY node_id
LIMIT ?2
