-- Each node's latest journal id and, in the bit below it, whether that state is a file that is
-- there and in the scope. So only the files that are shown are looked up, and nothing but numbers
-- is kept for a node.
WITH latest AS (
    SELECT
        node_id,
        max((journal_id << 1) | coalesce(
            kind = 'file' AND state IN ('active', 'inconsistent') AND {rows}, FALSE
        )::BIGINT) AS mark,
        sum(size_delta)::BIGINT AS size_bytes,
        coalesce(sum(size_delta) FILTER (WHERE {in_range}), 0)::BIGINT AS grown_bytes,
        count(*) AS changes,
        {latest_modified} AS modified_at
    FROM tidemark.activity
    WHERE version IS NOT NULL
    GROUP BY node_id
),

best AS MATERIALIZED (
    SELECT node_id, mark >> 1 AS journal_id, size_bytes, grown_bytes, changes, modified_at
    FROM latest
    WHERE mark & 1 = 1 AND {only}
    ORDER BY {key} {direction}, node_id
    LIMIT $limit
)

SELECT
    best.node_id AS "nodeId",
    activity.backend_mount_id AS "backendMountId",
    activity.path AS path,
    best.size_bytes AS "sizeBytes",
    best.grown_bytes AS "grownBytes",
    best.changes AS changes,
    activity.observed_at AS "lastChangeAt",
    {modified} AS "modifiedAt"
FROM best
JOIN tidemark.activity AS activity
    ON activity.node_id = best.node_id
    AND activity.journal_id = best.journal_id
    AND activity.version IS NOT NULL
ORDER BY best.{key} {direction}, best.node_id
