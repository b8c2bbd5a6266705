SELECT
    node_id, backend_mount_id, path, kind, state, parent_id, version, size_bytes, journal_id,
    checksum, content_hash, node_metadata, consistency_state, last_modified_at, observed_at,
    file_type, uid, gid, user_name, group_name, mode, links, allocated_bytes, changed_at,
    attributes, storage_class,
    accessed_at, link_target, object_tags
FROM temp.snapshot_nodes
ORDER BY node_id
