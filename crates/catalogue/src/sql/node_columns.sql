SELECT n.id, n.mount_id, n.parent_id, n.path, n.kind, n.is_symlink, n.size_bytes, n.modified_ns,
    n.dev, n.ino, n.born_ns, n.checksum, n.content_hash, n.metadata, n.state, n.version,
    n.last_seen_at, n.consistency_state, n.consistency_checked_at, n.last_reconciled_at,
    n.last_drift_detected_at, n.created_at, n.updated_at, n.deleted_at, n.last_journal_id,
    n.changed_ns, n.mode, n.uid, n.gid, n.links, n.allocated_bytes, n.attributes,
    n.link_target, n.accessed_ms, n.storage_class, n.object_owner, n.object_tags,
    n.content_hash IS NOT NULL AND EXISTS (SELECT 1 FROM doubted_hashes q WHERE q.node_id = n.id),
    (SELECT text FROM long_texts t WHERE t.id = n.attributes),
    (SELECT text FROM long_texts t WHERE t.id = n.link_target),
    (SELECT text FROM long_texts t WHERE t.id = n.object_tags)
FROM nodes n
