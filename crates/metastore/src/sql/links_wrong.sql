-- A node's record has the node's id as its key and lies in the node's namespace. A record by that name
-- is the node's.
SELECT 'node ' || n.node_id || ' has a record that is not its own'
FROM filestore_nodes n
LEFT JOIN records r ON r.id = n.record_id
LEFT JOIN namespaces s ON s.id = n.namespace
WHERE (n.record_id IS NOT NULL AND (
        r.key IS NOT CAST(n.node_id AS TEXT) OR r.namespace IS NOT s.name
    ))
    OR (n.namespace IS NOT NULL AND s.id IS NULL)
UNION ALL
SELECT 'node ' || n.node_id || ' has lost its record'
FROM records r
JOIN filestore_nodes n ON n.node_id = CAST(r.key AS INTEGER)
JOIN namespaces s ON s.id = n.namespace
WHERE n.record_id IS NULL AND s.name = r.namespace AND r.key = CAST(n.node_id AS TEXT)
LIMIT 20
