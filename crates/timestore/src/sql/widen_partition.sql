UPDATE tidemark.partitions
SET start_at = least(start_at, make_timestamp_ms($3::BIGINT)),
    end_at = greatest(end_at, make_timestamp_ms($4::BIGINT)),
    row_count = row_count + $5::BIGINT,
    ingested_at = make_timestamp_ms($6::BIGINT),
    byte_count = coalesce(byte_count, 0) + $7::BIGINT
WHERE dataset_id = $1 AND partition_key = $2
RETURNING id
