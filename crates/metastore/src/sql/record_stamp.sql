UPDATE records
SET version = ?2, updated_at = ?3, updated_by = ?4, deleted_at = ?5
WHERE id = ?1
