SELECT CASE WHEN n.deleted_at IS NULL THEN s.name END,
       n.backend_mount_id, n.path, n.kind, n.node_metadata
FROM filestore_nodes n
LEFT JOIN namespaces s ON s.id = n.namespace
WHERE n.state <> 'deleted'
