WITH legs AS (
    SELECT observed_at, {group} AS group_key, size_delta AS bytes, file_delta AS files
    FROM tidemark.activity
    WHERE {rows} AND NOT {crosses} AND {inside}
    UNION ALL
    SELECT
        observed_at,
        {group},
        CASE WHEN {on_disk} THEN coalesce(size_bytes, 0) ELSE 0 END,
        (kind = 'file' AND {on_disk})::BIGINT
    FROM tidemark.activity
    WHERE {rows} AND {crosses} AND {inside}
    UNION ALL
    SELECT
        observed_at,
        {old_group},
        size_delta - CASE WHEN {on_disk} THEN coalesce(size_bytes, 0) ELSE 0 END,
        file_delta - (kind = 'file' AND {on_disk})::BIGINT
    FROM tidemark.activity
    WHERE {rows} AND {crosses} AND {was_inside}
),

buckets AS (
    SELECT
        CASE WHEN NOT {is_before} THEN date_trunc($bucket, observed_at) END AS bucket_start,
        group_key,
        coalesce(sum(bytes) FILTER (WHERE bytes > 0), 0) AS bytes_added,
        coalesce(-sum(bytes) FILTER (WHERE bytes < 0), 0) AS bytes_removed,
        coalesce(sum(files) FILTER (WHERE files > 0), 0) AS files_added,
        coalesce(-sum(files) FILTER (WHERE files < 0), 0) AS files_removed,
        count(*) AS changes
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
    bucket_start AS "bucketStart",
    group_key AS "group",
    bytes_added::BIGINT AS "bytesAdded",
    bytes_removed::BIGINT AS "bytesRemoved",
    (bytes_added - bytes_removed)::BIGINT AS "netBytes",
    total_bytes::BIGINT AS "totalBytes",
    files_added::BIGINT AS "filesAdded",
    files_removed::BIGINT AS "filesRemoved",
    files::BIGINT AS "files",
    changes AS "changes"
FROM totals
WHERE bucket_start IS NOT NULL
ORDER BY bucket_start, group_key
LIMIT $limit
