SELECT a.id, a.action, a.namespace, r.key, a.version, a.at, a.actor
FROM record_audit a JOIN records r ON r.id = a.record_id
WHERE a.id > ?1 AND a.id <= ?2 AND a.action IN ('create', 'update', 'delete', 'restore')
UNION ALL
SELECT id, 'purge', namespace, key, version, at, actor
FROM record_purges
WHERE id > ?1 AND id <= ?2
ORDER BY 1
LIMIT ?3
