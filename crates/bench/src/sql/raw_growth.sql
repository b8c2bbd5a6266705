WITH days AS (
    SELECT
        date_trunc('day', observed_at) AS day,
        coalesce(sum(size_delta) FILTER (WHERE size_delta > 0), 0) AS bytes_added,
        coalesce(-sum(size_delta) FILTER (WHERE size_delta < 0), 0) AS bytes_removed,
        coalesce(sum(file_delta) FILTER (WHERE file_delta > 0), 0) AS files_added,
        coalesce(-sum(file_delta) FILTER (WHERE file_delta < 0), 0) AS files_removed,
        count(*) AS changes
    FROM filestore_activity
    WHERE version IS NOT NULL
        AND observed_at >= TIMESTAMP '2025-01-01'
        AND observed_at < TIMESTAMP '2026-01-01'
    GROUP BY day
)

SELECT
    day,
    bytes_added,
    bytes_removed,
    sum(bytes_added - bytes_removed) OVER (ORDER BY day) AS total_bytes,
    files_added,
    files_removed,
    sum(files_added - files_removed) OVER (ORDER BY day) AS files,
    changes
FROM days
ORDER BY day
