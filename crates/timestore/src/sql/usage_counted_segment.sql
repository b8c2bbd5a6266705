    SELECT cell, files, size_bytes, allocated_bytes, oldest, newest
    FROM tidemark.usage_sums
    WHERE segment = $segment
    UNION ALL
    SELECT cell, 1, size_bytes, allocated_bytes, modified_at, modified_at
    FROM tidemark.usage_past
    WHERE segment = $segment AND since <= $at AND until > $at
    UNION ALL
    SELECT cell, 1, size_bytes, allocated_bytes, modified_at, modified_at
    FROM tidemark.usage_past
    WHERE segment > $segment AND born = $segment AND since <= $at
    UNION ALL
    SELECT cell, 1, size_bytes, allocated_bytes, modified_at, modified_at
    FROM tidemark.usage_states
    WHERE born = $segment AND since <= $at AND cell IS NOT NULL
