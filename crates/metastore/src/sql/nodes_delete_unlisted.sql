-- What a snapshot does not have was deleted before it was taken.
UPDATE filestore_nodes
SET state = 'deleted', consistency_state = 'active', journal_id = ?1,
    observed_at = ?2, deleted_at = coalesce(deleted_at, ?2)
WHERE state <> 'deleted'
  AND NOT EXISTS (SELECT 1 FROM temp.snapshot_nodes s WHERE s.node_id = filestore_nodes.node_id)
