INSERT INTO tidemark.saved_sql (id, statement, label, stats, created_by, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, make_timestamp_ms($6::BIGINT), make_timestamp_ms($6::BIGINT))
ON CONFLICT (id) DO UPDATE SET
    statement = excluded.statement,
    label = excluded.label,
    stats = excluded.stats,
    updated_at = excluded.updated_at
