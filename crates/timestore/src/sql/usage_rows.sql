-- Each node's latest state by then. Only files that are there count: what a directory takes is its
-- files'.
WITH {latest},

parts AS (
{files}
),
