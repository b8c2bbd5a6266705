INSERT INTO listings (node_id, digest, directories, touched_id)
VALUES (?1, ?2, ?3, 0)
ON CONFLICT (node_id) DO UPDATE SET
    digest = excluded.digest, directories = excluded.directories
WHERE touched_id <= ?4
