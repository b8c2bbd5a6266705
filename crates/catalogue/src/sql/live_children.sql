SELECT id, name, path FROM nodes
WHERE parent_id = ?1 AND state <> 'deleted' AND state IN ('active', 'inconsistent')
