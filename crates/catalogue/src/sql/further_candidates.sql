SELECT id, path, kind = 'directory', is_symlink, size_bytes, modified_ns, dev, ino, born_ns,
    changed_ns, mode, uid, gid, links, allocated_bytes, attributes,
    link_target, accessed_ms, storage_class, object_owner, object_tags,
    parent_id, state = 'missing' AS is_missing
FROM nodes
WHERE mount_id = ?1 AND ino = ?2 AND ino <> 0 AND state <> 'deleted'
    AND dev = ?3 AND born_ns IS ?4
    AND (state = 'missing', id) > (?5, ?6)
ORDER BY state = 'missing', id
LIMIT ?7
