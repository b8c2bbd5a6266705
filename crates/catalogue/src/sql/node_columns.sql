SELECT n.id, n.mount_id, n.parent_id, n.path, n.kind, n.is_symlink, n.size_bytes, n.modified_ns,
    n.dev, n.ino, n.born_ns, n.checksum, n.content_hash, n.metadata, n.state, n.version,
    n.last_seen_at, n.consistency_state, n.consistency_checked_at, n.last_reconciled_at,
    n.last_drift_detected_at, n.created_at, n.updated_at, n.deleted_at, n.last_journal_id,
    n.changed_ns, n.mode, n.uid, n.gid, n.links, n.allocated_bytes, n.attributes,
    n.content_hash IS NOT NULL AND EXISTS (SELECT 1 FROM doubted_hashes q WHERE q.node_id = n.id),
    (SELECT json FROM attribute_sets s WHERE s.id = n.attributes),
    n.storage_class
FROM nodes n
