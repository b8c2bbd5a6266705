-- The nodes that newer entries are about, and their states before.
tail AS MATERIALIZED (
    SELECT node_id, max(journal_id) AS journal_id, sum(size_delta) AS size_bytes
    FROM tidemark.activity
    WHERE version IS NOT NULL AND journal_id > $summed AND journal_id <= $head AND {until}
    GROUP BY node_id
),

replaced AS MATERIALIZED (
    SELECT states.* FROM tidemark.usage_states AS states SEMI JOIN tail USING (node_id)
),

latest AS (
    SELECT
        tail.node_id,
        tail.journal_id,
        tail.size_bytes + coalesce(replaced.size_bytes, 0) AS size_bytes
    FROM tail
    LEFT JOIN replaced USING (node_id)
),
