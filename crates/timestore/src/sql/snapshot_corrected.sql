-- The latest rows of nodes of which the history has the last state (a deleted node is in no snapshot)
-- and not all that came before, with the deltas that are missing added. One more row of such a node
-- would be one more state of it.
CREATE OR REPLACE TEMP TABLE corrected AS
SELECT activity.* REPLACE (
    activity.size_delta + coalesce(staged.size_delta, 0) - counted.size_bytes AS size_delta,
    activity.file_delta + coalesce(staged.file_delta, 0) - counted.files AS file_delta
)
FROM temp.main.counted AS counted
LEFT JOIN temp.main.staged_nodes AS staged USING (node_id)
JOIN {activity} AS activity
    ON activity.node_id = counted.node_id
    AND activity.journal_id = counted.journal_id
    AND activity.version IS NOT NULL
WHERE
    CASE
        WHEN staged.node_id IS NULL THEN activity.state = 'deleted'
        ELSE counted.journal_id >= staged.journal_id
    END
    AND (
        counted.size_bytes <> coalesce(staged.size_delta, 0)
        OR counted.files <> coalesce(staged.file_delta, 0)
    )
