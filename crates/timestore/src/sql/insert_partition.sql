INSERT INTO tidemark.partitions
    (id, dataset_id, partition_key, start_at, end_at, row_count, ingested_at, byte_count)
VALUES (
    nextval('tidemark.partition_ids'), $1, $2, make_timestamp_ms($3::BIGINT),
    make_timestamp_ms($4::BIGINT), $5::BIGINT, make_timestamp_ms($6::BIGINT),
    $7::BIGINT
)
RETURNING id
