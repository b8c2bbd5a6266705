SELECT journal_id, event_type, data, reason, epoch_ms(parked_at), attempts
FROM tidemark.dead_letters
WHERE journal_id > ?
ORDER BY journal_id
LIMIT ?
