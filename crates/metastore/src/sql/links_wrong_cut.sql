-- A node's record has the node's id as its key.
UPDATE filestore_nodes SET record_id = NULL
WHERE record_id IS NOT NULL
  AND NOT EXISTS (
      SELECT 1 FROM records r
      WHERE r.id = filestore_nodes.record_id AND r.key = CAST(filestore_nodes.node_id AS TEXT)
  )
