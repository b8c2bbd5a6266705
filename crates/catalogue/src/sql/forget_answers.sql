DELETE FROM idempotency
WHERE key IN (
    SELECT key FROM idempotency WHERE created_at < ?1 ORDER BY created_at LIMIT 2
)
