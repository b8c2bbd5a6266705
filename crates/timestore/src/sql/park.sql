INSERT INTO tidemark.dead_letters (journal_id, event_type, data, reason, parked_at, attempts)
VALUES (?, ?, ?, ?, make_timestamp_ms(?::BIGINT), ?)
