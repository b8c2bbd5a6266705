-- The path up to which there are so many rows: none, if there are fewer.
SELECT path
FROM tidemark.activity
WHERE version IS NOT NULL AND observed_at <= $at AND ($is_first OR path > $after) AND {from} AND {rows}
ORDER BY path
LIMIT 1 OFFSET $offset
