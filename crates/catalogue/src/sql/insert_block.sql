INSERT INTO journal_blocks (
    first_id, last_id, earliest_at, latest_at, digest_before, digest, raw_bytes, payload
) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
