SELECT id, path, kind = 'directory', is_symlink, size_bytes, modified_ns, dev, ino, born_ns,
    changed_ns, mode, uid, gid, links, allocated_bytes, attributes,
    link_target, accessed_ms, storage_class, object_owner, object_tags,
    parent_id, state = 'missing' AS is_missing
FROM nodes
WHERE mount_id = ?1 AND ino = ?2 AND ino <> 0 AND state <> 'deleted'
    AND dev = ?3 AND (dev = -1 OR born_ns IS ?4)
-- A file that had several names has a missing node for each that it lost: the last one lost is it.
ORDER BY
    state = 'missing',
    path = ?5 DESC,
    CASE WHEN state = 'missing' THEN last_drift_detected_at END DESC,
    parent_id IS ?6 DESC,
    name = ?7 DESC,
    id
LIMIT ?8
