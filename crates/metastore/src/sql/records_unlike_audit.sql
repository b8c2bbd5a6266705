-- A record says what the last write in its audit left it at; without an audit it says nothing.
SELECT 'record ' || r.key || ' in ' || r.namespace || ' is not as its last write left it'
FROM records r
LEFT JOIN record_audit a ON a.id = (SELECT max(id) FROM record_audit WHERE record_id = r.id)
WHERE r.metadata IS NOT coalesce(a.metadata, '{}')
    OR r.owner IS NOT a.owner
    OR r.schema_hash IS NOT a.schema_hash
    OR r.version IS NOT coalesce(a.version, 1)
    OR (a.id IS NOT NULL AND r.namespace IS NOT a.namespace)
    OR (SELECT group_concat(t.tag, char(10) ORDER BY t.tag) FROM record_tags t
        WHERE t.record_id = r.id)
        IS NOT (SELECT group_concat(j.value, char(10) ORDER BY j.value)
                FROM json_each(coalesce(a.tags, '[]')) j)
LIMIT 20
