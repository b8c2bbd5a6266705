-- The names of fields of the records that were written last.
SELECT DISTINCT f.key
FROM (
    SELECT r.metadata
    FROM records r INDEXED BY records_said
    WHERE r.metadata <> '{}'
        AND (?1 IS NULL OR r.namespace IN (SELECT value FROM json_each(?1)))
    ORDER BY r.updated_at DESC
    LIMIT ?2
) said, json_each(said.metadata) f
