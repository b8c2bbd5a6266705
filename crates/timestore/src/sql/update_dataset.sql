UPDATE tidemark.datasets
SET name = $2,
    description = $3,
    status = $4,
    metadata = $5,
    updated_at = make_timestamp_ms($6::BIGINT)
WHERE id = $1
