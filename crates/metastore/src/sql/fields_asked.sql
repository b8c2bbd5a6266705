-- How many records with metadata were asked, and whether one of them has the field.
SELECT count(*), coalesce(max(has), 0)
FROM (
    SELECT json_type(r.metadata, ?3) IS NOT NULL AS has
    FROM records r INDEXED BY records_said
    WHERE r.metadata <> '{}'
        AND (?1 IS NULL OR r.namespace IN (SELECT value FROM json_each(?1)))
    LIMIT ?2
)
