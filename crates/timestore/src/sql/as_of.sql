-- The clock may go back: a node's state is its latest entry among those observed by then.
WITH latest AS (
    SELECT node_id, max(journal_id) AS journal_id, sum(size_delta)::BIGINT AS size_bytes
    FROM tidemark.activity
    WHERE version IS NOT NULL AND observed_at <= $at
    GROUP BY node_id
),

nodes AS (
    SELECT
        activity.node_id,
        backend_mount_id,
        path,
        kind,
        state,
        latest.size_bytes,
        activity.journal_id,
        observed_at
    FROM latest
    JOIN tidemark.activity AS activity
        ON activity.node_id = latest.node_id
        AND activity.journal_id = latest.journal_id
        AND version IS NOT NULL
    WHERE state IN ('active', 'inconsistent') AND {rows}
)

