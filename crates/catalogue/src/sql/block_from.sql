SELECT first_id, last_id, earliest_at, latest_at, digest_before, digest, raw_bytes
FROM journal_blocks
WHERE last_id >= ?1
ORDER BY last_id
LIMIT 1
