SELECT size_bytes, file_count, directory_count, child_count, last_calculated_at
FROM rollups
WHERE node_id = ?1
