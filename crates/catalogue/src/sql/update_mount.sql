UPDATE mounts SET
    access_mode = ?2, display_name = ?3, labels = ?4, state = ?5, config = ?6, updated_at = ?7,
    description = ?8, contact = ?9, state_reason = ?10
WHERE id = ?1
