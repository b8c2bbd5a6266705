SELECT id, mount_id, path, kind, state, parent_id, version, size_bytes, last_journal_id, checksum,
    content_hash, metadata, consistency_state, modified_ns, updated_at,
    dev, is_symlink, changed_ns, mode, uid, gid, links, allocated_bytes, attributes,
    link_target, accessed_ms, storage_class, object_owner, object_tags,
    (SELECT text FROM long_texts t WHERE t.id = nodes.attributes),
    (SELECT text FROM long_texts t WHERE t.id = nodes.link_target),
    (SELECT text FROM long_texts t WHERE t.id = nodes.object_tags)
FROM nodes
WHERE id > ?1 AND state <> 'deleted'
ORDER BY id
LIMIT ?2
