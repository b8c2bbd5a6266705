-- Only nodes that ever were between the two paths can be there, so only they are looked at.
WITH candidates AS MATERIALIZED (
    SELECT DISTINCT node_id
    FROM tidemark.activity
    WHERE version IS NOT NULL AND observed_at <= $at AND {rows}
        AND ($is_first OR path > $after) AND {from} AND ($is_last OR path <= $bound)
),

latest AS MATERIALIZED (
    SELECT node_id, max(journal_id) AS journal_id, sum(size_delta) AS size_bytes
    FROM tidemark.activity
    WHERE version IS NOT NULL AND observed_at <= $at AND node_id IN (FROM candidates)
    GROUP BY node_id
)

SELECT
    latest.node_id AS "nodeId",
    backend_mount_id AS "backendMountId",
    path AS path,
    kind AS kind,
    latest.size_bytes AS "sizeBytes",
    observed_at AS "lastChangeAt",
    latest.journal_id AS "journalId"
FROM latest
JOIN tidemark.activity AS activity
    ON activity.node_id = latest.node_id
    AND activity.journal_id = latest.journal_id
    AND version IS NOT NULL
WHERE state IN ('active', 'inconsistent') AND {rows}
    AND ($is_first OR path > $after) AND {after} AND ($is_last OR path <= $bound)
ORDER BY path, latest.node_id
LIMIT $limit
