    SELECT
        {keys},
        {class} AS size_class,
        1 AS files,
        latest.size_bytes AS size_bytes,
        activity.allocated_bytes AS allocated_bytes,
        activity.modified_at AS oldest,
        activity.modified_at AS newest
    FROM latest
    JOIN (
        SELECT * REPLACE ({modified} AS modified_at)
        FROM tidemark.activity
        WHERE version IS NOT NULL AND {newer}
    ) AS activity
        ON activity.node_id = latest.node_id
        AND activity.journal_id = latest.journal_id
    WHERE kind = 'file' AND state IN ('active', 'inconsistent') AND {rows}
