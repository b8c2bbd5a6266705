SELECT *
FROM nodes
WHERE mount_id = ?1 AND path > ?2 AND path < ?3 AND state <> 'deleted'
ORDER BY path
LIMIT 100
