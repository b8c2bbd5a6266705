INSERT INTO journal (journal_id, committed_at, node_id, event_type, size_delta, data, digest)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
