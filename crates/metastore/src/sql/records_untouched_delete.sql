-- Records that the sync made and in which nobody ever wrote anything.
DELETE FROM records
WHERE id IN (SELECT record_id FROM filestore_nodes WHERE record_id IS NOT NULL)
  AND id NOT IN (SELECT record_id FROM temp.carried)
  AND version = 1 AND metadata = '{}' AND owner IS NULL AND schema_hash IS NULL
  AND deleted_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM record_tags t WHERE t.record_id = records.id)
  AND NOT EXISTS (SELECT 1 FROM record_audit a WHERE a.record_id = records.id)
