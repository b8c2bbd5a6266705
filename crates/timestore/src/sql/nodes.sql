WITH latest AS (
    SELECT node_id, max(journal_id) AS journal_id, sum(size_delta) AS size_bytes
    FROM tidemark.activity
    WHERE version IS NOT NULL AND node_id > ?
    GROUP BY node_id
)

SELECT
    latest.node_id,
    backend_mount_id,
    path,
    kind,
    state,
    parent_id,
    version,
    CASE WHEN activity.size_bytes IS NOT NULL OR latest.size_bytes <> 0
        -- Without a parked entry the sum may be of no size that there is.
        THEN greatest(least(latest.size_bytes, 9223372036854775807), -9223372036854775807)::BIGINT
    END,
    latest.journal_id,
    uid,
    gid,
    mode,
    allocated_bytes
FROM latest
JOIN tidemark.activity AS activity
    ON activity.node_id = latest.node_id
    AND activity.journal_id = latest.journal_id
    AND version IS NOT NULL
WHERE state <> 'deleted' AND {inside}
ORDER BY latest.node_id
LIMIT ?
