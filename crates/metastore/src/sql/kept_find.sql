SELECT id, request
FROM kept_requests
WHERE scope = ?1 AND key = ?2 AND created_at >= ?3
