UPDATE rollups SET
    size_high = size_high + ?7 + ((size_bytes + ?2) >> 62),
    size_bytes = (size_bytes + ?2) & 4611686018427387903,
    file_count = file_count + ?3,
    directory_count = directory_count + ?4,
    child_count = child_count + ?5,
    last_calculated_at = ?6
WHERE node_id = ?1
