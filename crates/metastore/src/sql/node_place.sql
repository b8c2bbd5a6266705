UPDATE filestore_nodes
SET record_id = ?2,
    quarantine_reason = ?3,
    deleted_at = CASE WHEN ?4 IS NULL THEN NULL ELSE coalesce(deleted_at, ?4) END
WHERE node_id = ?1
