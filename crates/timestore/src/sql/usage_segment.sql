-- The segment that the time lies in, if nothing that is not summed in it tells of that time.
SELECT segment
FROM tidemark.usage_segments
WHERE begins <= $3 AND $3 < ends
    AND NOT EXISTS (FROM tidemark.usage_unsettled WHERE since <= $3 AND $3 < until)
    AND NOT EXISTS (
        FROM tidemark.activity
        WHERE version IS NOT NULL AND journal_id > $1 AND journal_id <= $2 AND observed_at <= $3
    )
