-- What people wrote, record by record. A record that the sync made and nobody touched says nothing.
SELECT json_array(
    r.namespace, r.key, r.metadata, r.owner, r.schema_hash, r.version, r.deleted_at IS NOT NULL,
    (SELECT json_group_array(t.tag ORDER BY t.tag) FROM record_tags t WHERE t.record_id = r.id)
)
FROM records r
WHERE r.version > 1 OR r.metadata <> '{}' OR r.owner IS NOT NULL OR r.schema_hash IS NOT NULL
    OR r.deleted_at IS NOT NULL
    OR EXISTS (SELECT 1 FROM record_tags t WHERE t.record_id = r.id)
ORDER BY r.namespace, r.key
