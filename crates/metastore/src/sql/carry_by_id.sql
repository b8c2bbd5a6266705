-- In the same journal, restored and written on, ids given out before are still those nodes.
INSERT OR IGNORE INTO temp.carried (record_id, node_id)
SELECT n.record_id, s.node_id
FROM filestore_nodes n
JOIN temp.new_nodes s ON s.node_id = n.node_id AND s.kind = n.kind
WHERE n.record_id IS NOT NULL
ORDER BY n.node_id
