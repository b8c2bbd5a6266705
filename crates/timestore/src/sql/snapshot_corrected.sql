-- The latest rows of nodes of which the history has the last state and not all that came before, with
-- the deltas that are missing added. One more row of such a node would be one more state of it.
CREATE OR REPLACE TEMP TABLE corrected AS
WITH counted AS (
    SELECT
        node_id,
        max(journal_id) AS journal_id,
        sum(size_delta)::BIGINT AS size_bytes,
        sum(file_delta)::BIGINT AS files
    FROM {activity}
    WHERE version IS NOT NULL
    GROUP BY node_id
)
SELECT activity.* REPLACE (
    activity.size_delta + staged.size_delta - counted.size_bytes AS size_delta,
    activity.file_delta + staged.file_delta - counted.files AS file_delta
)
FROM counted
JOIN temp.main.staged_nodes AS staged USING (node_id)
JOIN {activity} AS activity
    ON activity.node_id = counted.node_id
    AND activity.journal_id = counted.journal_id
    AND activity.version IS NOT NULL
WHERE counted.journal_id >= staged.journal_id
    AND (counted.size_bytes <> staged.size_delta OR counted.files <> staged.file_delta)
