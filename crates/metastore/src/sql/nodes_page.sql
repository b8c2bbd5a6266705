SELECT n.node_id, n.record_id, r.namespace, n.backend_mount_id, n.path, n.kind, n.state,
       n.node_metadata, n.observed_at
FROM filestore_nodes n
LEFT JOIN records r ON r.id = n.record_id
WHERE n.node_id > ?1
ORDER BY n.node_id
LIMIT ?2
