-- As namespace_of_nodes.sql, of any other namespace.
SELECT count(*),
       coalesce(sum(r.deleted_at IS NOT NULL OR n.deleted_at IS NOT NULL), 0),
       max(coalesce(r.updated_at, n.made_at, n.observed_at))
FROM filestore_nodes n INDEXED BY filestore_nodes_namespace
LEFT JOIN records r ON r.id = +n.record_id
WHERE n.namespace > 1 AND n.namespace = ?1
