SELECT 'node ' || n.node_id || ' has a record that is not its own'
FROM filestore_nodes n
LEFT JOIN records r ON r.id = n.record_id
WHERE n.record_id IS NOT NULL AND r.key IS NOT CAST(n.node_id AS TEXT)
LIMIT 20
