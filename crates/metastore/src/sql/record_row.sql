-- The row of a node's record of which nothing was said so far: as it was shown.
INSERT INTO records (namespace, key, created_at, updated_at, created_by, updated_by)
SELECT s.name, CAST(n.node_id AS TEXT), coalesce(n.made_at, n.observed_at),
       coalesce(n.made_at, n.observed_at), ?2, ?2
FROM filestore_nodes n JOIN namespaces s ON s.id = n.namespace
WHERE n.node_id = ?1 AND n.record_id IS NULL
RETURNING id
