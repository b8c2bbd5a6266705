INSERT INTO tidemark.growth_hours
WITH legs AS (
    SELECT
        observed_at,
        backend_mount_id,
        CASE WHEN previous_backend_mount_id IS NULL THEN 'within' ELSE 'moved' END AS leg,
        size_delta::HUGEINT AS bytes,
        file_delta AS files
    FROM tidemark.activity
    WHERE version IS NOT NULL AND {rows}
    UNION ALL
    SELECT observed_at, backend_mount_id, 'edge', {weight}, {count}
    FROM tidemark.activity
    WHERE version IS NOT NULL AND {rows} AND previous_backend_mount_id IS NOT NULL
    UNION ALL
    SELECT observed_at, previous_backend_mount_id, 'edge', size_delta - {weight}, file_delta - {count}
    FROM tidemark.activity
    WHERE version IS NOT NULL AND {rows} AND previous_backend_mount_id IS NOT NULL
)
SELECT
    date_trunc('hour', observed_at),
    backend_mount_id,
    leg,
    sum(greatest(bytes, 0)),
    sum(greatest(-bytes, 0)),
    sum(greatest(files, 0))::BIGINT,
    sum(greatest(-files, 0))::BIGINT,
    count(*)
FROM legs
GROUP BY ALL
