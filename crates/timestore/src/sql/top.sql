-- Each node's latest journal id and, in the bit below it, whether that state is a file that is
-- there and in the scope. So only the files that are shown are looked up, and nothing but numbers
-- is kept for a node.
WITH latest AS (
    SELECT
        node_id AS "nodeId",
        max((journal_id << 1) | coalesce(
            kind = 'file' AND state IN ('active', 'inconsistent') AND {rows}, FALSE
        )::BIGINT) AS mark,
        sum(size_delta) AS "sizeBytes",
        coalesce(sum(size_delta) FILTER (WHERE {in_range}), 0) AS "grownBytes",
        count(*) AS changes,
        {latest_modified} AS "modifiedAt"
    FROM tidemark.activity
    WHERE version IS NOT NULL AND journal_id <= $head
    GROUP BY node_id
),

best AS MATERIALIZED (
    SELECT *, mark >> 1 AS journal_id
    FROM latest
    WHERE mark & 1 = 1 AND {only} AND {after}
    ORDER BY "{key}" {direction}, "nodeId"
    LIMIT $limit
)

SELECT
    best."nodeId",
    activity.backend_mount_id AS "backendMountId",
    activity.path AS path,
    best."sizeBytes",
    best."grownBytes",
    best.changes AS changes,
    activity.observed_at AS "lastChangeAt",
    {modified} AS "modifiedAt"
FROM best
JOIN tidemark.activity AS activity
    ON activity.node_id = best."nodeId"
    AND activity.journal_id = best.journal_id
    AND activity.version IS NOT NULL
ORDER BY best."{key}" {direction}, best."nodeId"
