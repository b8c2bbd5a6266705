INSERT INTO nodes (
    id, mount_id, parent_id, name, path, depth, kind, is_symlink, size_bytes, modified_ns,
    dev, ino, born_ns, checksum, content_hash, metadata, state, version,
    last_seen_at, consistency_state, consistency_checked_at, last_reconciled_at,
    last_drift_detected_at, created_at, updated_at, deleted_at, last_journal_id,
    changed_ns, mode, uid, gid, links, allocated_bytes, attributes,
    link_target, accessed_ms, storage_class, object_owner, object_tags
) VALUES (
    ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,
    ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18,
    ?19, ?20, ?21, ?22,
    ?23, ?24, ?25, ?26, ?27, ?28,
    ?29, ?30, ?31, ?32, ?33, ?34,
    ?35, ?36, ?37, ?38, ?39
)
