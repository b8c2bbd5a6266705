INSERT INTO journal_consumers (name, after_id, first_seen_at, last_seen_at)
VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (name) DO UPDATE SET
    after_id = excluded.after_id, last_seen_at = excluded.last_seen_at
