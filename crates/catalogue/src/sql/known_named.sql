SELECT id, name, version, state = 'active', kind = 'directory', is_symlink, size_bytes, modified_ns,
    dev, ino, born_ns, changed_ns, mode, uid, gid, links, allocated_bytes, attributes,
    link_target, accessed_ms, storage_class, object_owner, object_tags
FROM nodes
WHERE parent_id = ?1 AND name = ?2 AND state <> 'deleted' AND state IN ('active', 'inconsistent')
