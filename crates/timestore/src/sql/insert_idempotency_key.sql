INSERT INTO tidemark.idempotency_keys
    (dataset_id, idempotency_key, request_hash, answer, ingested_at)
VALUES (?, ?, ?, ?, make_timestamp_ms(?::BIGINT))
