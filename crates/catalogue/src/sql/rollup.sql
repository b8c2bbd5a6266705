SELECT size_bytes, file_count, directory_count, child_count, last_calculated_at, size_high
FROM rollups
WHERE node_id = ?1
