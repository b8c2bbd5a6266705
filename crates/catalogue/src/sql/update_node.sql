UPDATE nodes SET
    mount_id = ?2, parent_id = ?3, name = ?4, path = ?5, depth = ?6, kind = ?7, is_symlink = ?8,
    size_bytes = ?9, modified_ns = ?10, dev = ?11, ino = ?12, born_ns = ?13,
    checksum = ?14, content_hash = ?15, metadata = ?16, state = ?17, version = ?18,
    last_seen_at = ?19, consistency_state = ?20, consistency_checked_at = ?21,
    last_reconciled_at = ?22, last_drift_detected_at = ?23, created_at = ?24, updated_at = ?25,
    deleted_at = ?26, last_journal_id = ?27, changed_ns = ?28,
    mode = ?29, uid = ?30, gid = ?31, links = ?32, allocated_bytes = ?33,
    attributes = ?34, link_target = ?35, accessed_ms = ?36,
    storage_class = ?37, object_owner = ?38, object_tags = ?39
WHERE id = ?1 AND version = ?40
