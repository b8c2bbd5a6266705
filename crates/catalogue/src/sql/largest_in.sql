SELECT name, size_bytes, file_count, directory_count, child_count, last_calculated_at,
    size_high
FROM (
    SELECT
        nodes.name,
        rollups.size_bytes,
        rollups.file_count,
        rollups.directory_count,
        rollups.child_count,
        rollups.last_calculated_at,
        rollups.size_high
    FROM nodes
    JOIN rollups ON rollups.node_id = nodes.id
    WHERE nodes.parent_id = ?1 AND nodes.kind = 'directory'
        AND nodes.state IN ('active', 'inconsistent')
)
ORDER BY size_high DESC, size_bytes DESC, name
LIMIT ?2
