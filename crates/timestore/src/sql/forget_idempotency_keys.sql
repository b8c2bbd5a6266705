DELETE FROM tidemark.idempotency_keys
WHERE ingested_at < make_timestamp_ms(?::BIGINT)
