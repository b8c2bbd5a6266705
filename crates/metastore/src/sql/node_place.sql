UPDATE filestore_nodes
SET record_id = ?2,
    namespace = ?3,
    quarantine_reason = ?4,
    deleted_at = CASE WHEN ?5 IS NULL THEN NULL ELSE coalesce(deleted_at, ?5) END
WHERE node_id = ?1
