-- In another history an id may mean another node, and a path still means the same file.
INSERT OR IGNORE INTO temp.carried (record_id, node_id)
SELECT n.record_id, s.node_id
FROM filestore_nodes n
JOIN temp.new_nodes s
    ON s.path = n.path AND s.backend_mount_id = n.backend_mount_id AND s.kind = n.kind
WHERE n.record_id IS NOT NULL AND n.state <> 'deleted' AND s.state <> 'deleted'
ORDER BY n.node_id
