-- What lies below each directory of that tree, from its nodes.
WITH below (id, size_bytes, file_count, directory_count, child_count) AS (
    SELECT parent_id, sum(size_bytes), count(*), 0, count(*)
    FROM nodes
    WHERE depth = 3
    GROUP BY parent_id
    UNION ALL
    SELECT directory.parent_id, sum(file.size_bytes), count(*), count(DISTINCT directory.id),
        count(DISTINCT directory.id)
    FROM nodes AS directory
    JOIN nodes AS file ON file.parent_id = directory.id
    WHERE file.depth = 3
    GROUP BY directory.parent_id
)

INSERT OR REPLACE INTO rollups
    (node_id, size_bytes, file_count, directory_count, child_count, last_calculated_at)
SELECT id, size_bytes, file_count, directory_count, child_count, 0
FROM below
