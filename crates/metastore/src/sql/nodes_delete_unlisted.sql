UPDATE filestore_nodes
SET state = 'deleted', consistency_state = 'active', journal_id = ?1,
    observed_at = ?2, deleted_at = coalesce(deleted_at, ?2)
WHERE node_id IN (SELECT node_id FROM temp.snapshot_gone)
