SELECT node_id, record_id, namespace, backend_mount_id, path, kind, state, node_metadata, observed_at
FROM filestore_nodes
WHERE node_id > ?1
ORDER BY node_id
LIMIT ?2
