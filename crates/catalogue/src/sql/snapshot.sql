SELECT id, mount_id, path, kind, state, parent_id, version, size_bytes, last_journal_id, checksum,
    content_hash, metadata, consistency_state, modified_ns, updated_at,
    dev, is_symlink, changed_ns, mode, uid, gid, links, allocated_bytes, attributes,
    (SELECT json FROM attribute_sets s WHERE s.id = nodes.attributes),
    storage_class
FROM nodes
WHERE id > ?1 AND state <> 'deleted'
ORDER BY id
LIMIT ?2
