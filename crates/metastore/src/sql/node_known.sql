SELECT n.journal_id, n.record_id, r.namespace, n.path, n.backend_mount_id
FROM filestore_nodes n
LEFT JOIN records r ON r.id = n.record_id
WHERE n.node_id = ?1
