-- Records that are of no node.
SELECT r.namespace, count(*), sum(r.deleted_at IS NOT NULL), max(r.updated_at)
FROM records r
LEFT JOIN filestore_nodes n ON n.record_id = r.id
WHERE n.node_id IS NULL AND r.namespace >= ?1 AND r.namespace < ?2
GROUP BY r.namespace
