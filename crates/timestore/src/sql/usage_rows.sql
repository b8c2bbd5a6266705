-- Each node's latest state by then. Only files that are there count: what a directory takes is its
-- files'.
WITH latest AS (
    SELECT node_id, max(journal_id) AS journal_id, sum(size_delta) AS size_bytes
    FROM tidemark.activity
    WHERE version IS NOT NULL AND journal_id <= $head AND {until}
    GROUP BY node_id
),

parts AS (
{files}
),
