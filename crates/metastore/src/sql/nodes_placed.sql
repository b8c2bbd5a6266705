SELECT CASE WHEN n.deleted_at IS NULL THEN r.namespace END,
       n.backend_mount_id, n.path, n.kind, n.node_metadata
FROM filestore_nodes n
LEFT JOIN records r ON r.id = n.record_id
WHERE n.state <> 'deleted'
