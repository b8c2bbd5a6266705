SELECT count(*) > 0
FROM (
    SELECT table_name AS name FROM duckdb_tables()
    UNION ALL
    SELECT view_name FROM duckdb_views()
) AS names
WHERE lower(name) = ?
