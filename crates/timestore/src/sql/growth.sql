WITH legs AS (
{legs}
),

buckets AS (
    SELECT
        bucket_start,
        group_key,
        sum(bytes_added) AS bytes_added,
        sum(bytes_removed) AS bytes_removed,
        sum(files_added) AS files_added,
        sum(files_removed) AS files_removed,
        sum(changes) AS changes
    FROM legs
    GROUP BY ALL
),

totals AS (
    SELECT
        *,
        sum(bytes_added - bytes_removed) OVER series AS total_bytes,
        sum(files_added - files_removed) OVER series AS files
    FROM buckets
    WINDOW series AS (PARTITION BY group_key ORDER BY bucket_start NULLS FIRST)
)

SELECT
    bucket_start::TIMESTAMP AS "bucketStart",
    group_key AS "group",
    bytes_added AS "bytesAdded",
    bytes_removed AS "bytesRemoved",
    bytes_added - bytes_removed AS "netBytes",
    total_bytes AS "totalBytes",
    files_added::BIGINT AS "filesAdded",
    files_removed::BIGINT AS "filesRemoved",
    files::BIGINT AS "files",
    changes::BIGINT AS "changes"
FROM totals
WHERE bucket_start IS NOT NULL
ORDER BY bucket_start, group_key
LIMIT $limit
