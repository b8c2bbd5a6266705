WITH latest AS (
    SELECT node_id, max(journal_id) AS journal_id, sum(size_delta) AS size_bytes
    FROM filestore_activity
    WHERE version IS NOT NULL AND {until}
    GROUP BY node_id
)

SELECT
    user_name,
    sum(latest.size_bytes) AS size_bytes,
    sum(allocated_bytes) AS allocated_bytes,
    count(*) AS files
FROM latest
JOIN filestore_activity AS activity
    ON activity.node_id = latest.node_id
    AND activity.journal_id = latest.journal_id
    AND activity.version IS NOT NULL
WHERE kind = 'file' AND state IN ('active', 'inconsistent')
GROUP BY user_name
ORDER BY size_bytes DESC
