-- The record of a node that is still there begins again; that of a deleted one is gone.
UPDATE filestore_nodes
SET namespace = CASE WHEN state <> 'deleted' THEN namespace END,
    made_at = CASE WHEN state <> 'deleted' THEN nullif(?2, observed_at) END
WHERE node_id = ?1
