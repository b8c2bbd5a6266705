-- Partitions that ended before a time, and the oldest of those that are too many bytes together.
SELECT id
FROM (
    SELECT
        id,
        end_at,
        sum(coalesce(byte_count, 0)) OVER (ORDER BY end_at DESC, id DESC) AS bytes_so_far
    FROM tidemark.partitions
    WHERE dataset_id = $1
)
WHERE end_at < make_timestamp_ms($2::BIGINT) OR bytes_so_far > $3::BIGINT
