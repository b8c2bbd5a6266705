SELECT n.journal_id, n.record_id, r.namespace
FROM filestore_nodes n
LEFT JOIN records r ON r.id = n.record_id
WHERE n.node_id = ?1
