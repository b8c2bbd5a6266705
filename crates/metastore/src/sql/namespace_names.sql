WITH RECURSIVE names (name) AS (
    SELECT min(namespace) FROM records
    UNION ALL
    SELECT (SELECT min(namespace) FROM records WHERE namespace > names.name)
    FROM names
    WHERE names.name IS NOT NULL
)
SELECT name FROM names WHERE name IS NOT NULL
UNION
SELECT name FROM namespaces
