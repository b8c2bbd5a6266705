    SELECT
        states.cell,
        1 AS files,
        states.size_bytes,
        states.allocated_bytes,
        states.modified_at AS oldest,
        states.modified_at AS newest
    FROM tidemark.usage_states AS states
    ANTI JOIN tail USING (node_id)
    WHERE states.cell IS NOT NULL
