INSERT INTO listings (node_id, touched_id)
VALUES (?1, ?2)
ON CONFLICT (node_id) DO UPDATE SET
    digest = NULL, directories = NULL, touched_id = excluded.touched_id
