INSERT INTO dead_letters (journal_id, event_type, data, reason, parked_at, attempts)
VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (journal_id) DO UPDATE SET
    event_type = excluded.event_type, data = excluded.data, reason = excluded.reason,
    parked_at = excluded.parked_at, attempts = excluded.attempts
