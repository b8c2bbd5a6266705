INSERT INTO rollups
    (node_id, size_bytes, file_count, directory_count, child_count, last_calculated_at)
VALUES (?1, 0, 0, 0, 0, ?2)
