    SELECT
        cell,
        files,
        size_bytes,
        allocated_bytes,
        CASE WHEN NOT is_unsure THEN oldest END AS oldest,
        CASE WHEN NOT is_unsure THEN newest END AS newest
    FROM kept
    UNION ALL
    SELECT states.cell, 0, 0, NULL, min(states.modified_at), max(states.modified_at)
    FROM tidemark.usage_states AS states
    SEMI JOIN (SELECT cell FROM kept WHERE is_unsure) AS unsure USING (cell)
    ANTI JOIN tail USING (node_id)
    GROUP BY states.cell
