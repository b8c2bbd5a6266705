SELECT request_hash, answer
FROM tidemark.idempotency_keys
WHERE dataset_id = ? AND idempotency_key = ?
