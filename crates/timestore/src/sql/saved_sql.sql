SELECT id, statement, label, stats, created_by, epoch_ms(created_at), epoch_ms(updated_at)
FROM tidemark.saved_sql
