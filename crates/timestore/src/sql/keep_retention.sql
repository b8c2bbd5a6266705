INSERT INTO tidemark.retention (
    dataset_id, max_age_hours, updated_by, updated_at, partitions_dropped, rows_dropped, dropped_at,
    max_total_bytes, policy
)
VALUES (?, ?, ?, make_timestamp_ms(?::BIGINT), ?, ?, make_timestamp_ms(?::BIGINT), ?, ?)
