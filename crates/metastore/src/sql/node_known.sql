SELECT journal_id, record_id, namespace, path, backend_mount_id
FROM filestore_nodes
WHERE node_id = ?1
