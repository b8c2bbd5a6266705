-- The records of the nodes of the largest namespace, which no index has.
SELECT count(*),
       coalesce(sum(r.deleted_at IS NOT NULL OR n.deleted_at IS NOT NULL), 0),
       max(coalesce(r.updated_at, n.made_at, n.observed_at))
FROM filestore_nodes n
LEFT JOIN records r ON r.id = +n.record_id
WHERE n.namespace = ?1
