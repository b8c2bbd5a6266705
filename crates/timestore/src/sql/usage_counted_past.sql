    SELECT
        cell,
        1 AS files,
        size_bytes,
        allocated_bytes,
        modified_at AS oldest,
        modified_at AS newest
    FROM tidemark.usage_past
    WHERE segment >= $segment AND since <= $at AND until > $at
    UNION ALL
    SELECT cell, 1, size_bytes, allocated_bytes, modified_at, modified_at
    FROM tidemark.usage_states
    WHERE since <= $at AND cell IS NOT NULL
