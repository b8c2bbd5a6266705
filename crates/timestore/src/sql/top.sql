WITH latest AS (
    SELECT
        node_id,
        max(journal_id) AS journal_id,
        sum(size_delta)::BIGINT AS size_bytes,
        coalesce(sum(size_delta) FILTER (WHERE {in_range}), 0)::BIGINT AS grown_bytes,
        count(*) AS changes
    FROM tidemark.activity
    WHERE version IS NOT NULL
    GROUP BY node_id
),

files AS (
    SELECT
        activity.node_id AS "nodeId",
        backend_mount_id AS "backendMountId",
        path AS path,
        latest.size_bytes AS "sizeBytes",
        latest.grown_bytes AS "grownBytes",
        latest.changes AS changes,
        observed_at AS "lastChangeAt",
        coalesce(
            try_cast(json_extract_string(metadata_json, '$.lastModifiedAt') AS TIMESTAMP),
            observed_at
        ) AS "modifiedAt"
    FROM latest
    JOIN tidemark.activity AS activity
        ON activity.node_id = latest.node_id
        AND activity.journal_id = latest.journal_id
        AND version IS NOT NULL
    WHERE kind = 'file' AND state IN ('active', 'inconsistent') AND {rows}
)

SELECT *
FROM files
WHERE {only}
ORDER BY {order}, "nodeId"
LIMIT $limit
