INSERT INTO namespace_rules (id, configured, active, updated_at, updated_by)
VALUES (1, ?1, ?2, ?3, ?4)
ON CONFLICT (id) DO UPDATE SET
    configured = excluded.configured,
    active = excluded.active,
    updated_at = CASE WHEN active = excluded.active THEN updated_at ELSE excluded.updated_at END,
    updated_by = CASE WHEN active = excluded.active THEN updated_by ELSE excluded.updated_by END
