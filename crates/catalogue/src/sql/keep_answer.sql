INSERT INTO idempotency (key, fingerprint, response, created_at) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (key) DO UPDATE SET
    fingerprint = excluded.fingerprint,
    response = excluded.response,
    created_at = excluded.created_at
