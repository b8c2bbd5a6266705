INSERT INTO temp.snapshot_nodes (
    node_id, backend_mount_id, path, kind, state, parent_id, version, size_bytes, journal_id,
    checksum, content_hash, node_metadata, consistency_state, last_modified_at, observed_at,
    file_type, uid, gid, user_name, group_name, mode, links, allocated_bytes, changed_at,
    attributes, storage_class,
    accessed_at, link_target, object_tags
)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17,
    ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29)
