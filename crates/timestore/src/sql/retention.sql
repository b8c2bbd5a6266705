SELECT
    max_age_hours,
    updated_by,
    epoch_ms(updated_at),
    partitions_dropped,
    rows_dropped,
    epoch_ms(dropped_at),
    max_total_bytes,
    policy
FROM tidemark.retention
WHERE dataset_id = ?
