SELECT journal_id, node_id
FROM journal
WHERE journal_id > ?1
ORDER BY journal_id
LIMIT ?2
