-- Each node's latest state by then. Only files that are there count: what a directory takes is its
-- files'.
WITH latest AS (
    SELECT node_id, max(journal_id) AS journal_id, sum(size_delta) AS size_bytes
    FROM tidemark.activity
    WHERE version IS NOT NULL AND journal_id <= $head AND {until}
    GROUP BY node_id
),

files AS (
    SELECT
        {keys},
        latest.size_bytes AS size_bytes,
        activity.allocated_bytes AS allocated_bytes,
        activity.modified_at AS modified_at
    FROM latest
    JOIN (SELECT * REPLACE ({modified} AS modified_at) FROM tidemark.activity) AS activity
        ON activity.node_id = latest.node_id
        AND activity.journal_id = latest.journal_id
        AND activity.version IS NOT NULL
    WHERE kind = 'file' AND state IN ('active', 'inconsistent') AND {rows}
),

groups AS (
    SELECT
        {shown},
        sum(size_bytes)::HUGEINT AS "sizeBytes",
        sum(allocated_bytes)::HUGEINT AS "allocatedBytes",
        count(*) AS files,
        min(modified_at) AS oldest,
        max(modified_at) AS newest,
        approx_quantile(size_bytes::DOUBLE, 0.5)::HUGEINT AS "p50Bytes",
        approx_quantile(size_bytes::DOUBLE, 0.9)::HUGEINT AS "p90Bytes",
        approx_quantile(size_bytes::DOUBLE, 0.99)::HUGEINT AS "p99Bytes"
    FROM files
    GROUP BY ALL
)

FROM groups
WHERE {after}
ORDER BY "sizeBytes" DESC NULLS LAST, {order}
LIMIT $limit
