SELECT c.id
FROM nodes c JOIN nodes p ON p.id = c.parent_id
WHERE c.mount_id = ?1 AND c.vacated = 0 AND c.state <> 'deleted' AND c.id > ?2
    AND (p.vacated <> 0
        OR c.path <> CASE WHEN p.path = '' THEN c.name ELSE p.path || '/' || c.name END)
ORDER BY c.id
LIMIT ?3
