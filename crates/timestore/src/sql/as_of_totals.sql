-- The clock may go back: a node's state is its latest entry among those observed by then. Three
-- bits below the latest journal id tell whether that state is there and in the scope, whether it
-- is a file, and whether it is a directory other than the mount's root.
WITH latest AS (
    SELECT
        node_id,
        max(
            (journal_id << 3)
            | (coalesce(kind = 'directory' AND path <> '', FALSE)::BIGINT << 2)
            | (coalesce(kind = 'file', FALSE)::BIGINT << 1)
            | coalesce(state IN ('active', 'inconsistent') AND {rows}, FALSE)::BIGINT
        ) AS mark,
        sum(size_delta) AS size_bytes
    FROM tidemark.activity
    WHERE version IS NOT NULL AND observed_at <= $at
    GROUP BY node_id
)

SELECT
    coalesce(sum(size_bytes), 0) AS "sizeBytes",
    count(*) FILTER (WHERE mark & 2 = 2) AS files,
    count(*) FILTER (WHERE mark & 4 = 4) AS directories
FROM latest
WHERE mark & 1 = 1
