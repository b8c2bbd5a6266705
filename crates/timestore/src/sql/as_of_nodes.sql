SELECT
    node_id AS "nodeId",
    backend_mount_id AS "backendMountId",
    path AS path,
    kind AS kind,
    size_bytes AS "sizeBytes",
    observed_at AS "lastChangeAt",
    journal_id AS "journalId"
FROM nodes
WHERE $is_first OR path > $after
ORDER BY path, node_id
LIMIT $limit
