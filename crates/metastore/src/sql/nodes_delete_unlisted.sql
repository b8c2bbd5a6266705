UPDATE filestore_nodes
SET state = 'deleted', consistency_state = 'active', journal_id = ?1,
    observed_at = ?2, deleted_at = coalesce(deleted_at, ?2),
    made_at = CASE
        WHEN record_id IS NULL AND namespace IS NOT NULL
        THEN nullif(coalesce(made_at, observed_at), ?2)
    END
WHERE node_id IN (SELECT node_id FROM temp.snapshot_gone)
