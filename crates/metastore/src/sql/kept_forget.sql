-- A few that are too old, and the one whose place is taken.
DELETE FROM kept_requests
WHERE (scope = ?1 AND key = ?2)
   OR id IN (SELECT id FROM kept_requests WHERE created_at < ?3 ORDER BY created_at LIMIT 64)
