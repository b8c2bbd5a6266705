-- The mounts whose present files are others in the sums than in the rows up to the mark.
WITH latest AS (
    SELECT node_id, max(journal_id) AS journal_id, sum(size_delta) AS size_bytes
    FROM tidemark.activity
    WHERE version IS NOT NULL AND journal_id <= (SELECT journal_id FROM tidemark.usage_summed)
    GROUP BY node_id
),

counted AS (
    SELECT activity.backend_mount_id, 1 AS files, latest.size_bytes
    FROM latest
    JOIN tidemark.activity AS activity
        ON activity.node_id = latest.node_id
        AND activity.journal_id = latest.journal_id
        AND activity.version IS NOT NULL
    WHERE kind = 'file' AND state IN ('active', 'inconsistent')
    UNION ALL
    SELECT cells.backend_mount_id, -sums.files, -sums.size_bytes
    FROM tidemark.usage_sums AS sums
    JOIN tidemark.usage_cells AS cells USING (cell)
    WHERE sums.segment = 0
)

SELECT backend_mount_id, sum(files)::VARCHAR, sum(size_bytes)::VARCHAR
FROM counted
GROUP BY backend_mount_id
HAVING sum(files) <> 0 OR sum(size_bytes) <> 0
ORDER BY backend_mount_id
