SELECT n.node_id, n.backend_mount_id, n.path, n.kind, n.state, n.parent_id, n.version,
       n.size_bytes, n.journal_id, n.checksum, n.content_hash, n.node_metadata,
       n.consistency_state, n.last_modified_at, n.observed_at, n.file_type,
       n.uid, n.gid, n.user_name, n.group_name, n.mode, n.links, n.allocated_bytes, n.changed_at,
       n.attributes, n.storage_class, n.accessed_at, n.link_target, n.object_tags, s.name AS namespace
FROM filestore_nodes n
LEFT JOIN namespaces s ON s.id = n.namespace
WHERE n.node_id > ?1 AND n.state <> 'deleted'
ORDER BY n.node_id
