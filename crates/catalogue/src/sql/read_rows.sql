SELECT journal_id, committed_at, node_id, event_type, size_delta, data, digest
FROM journal
WHERE journal_id > ?1
ORDER BY journal_id
