-- Each function, and whether it only computes and its every result is of a fixed length.
SELECT
    lower(function_name),
    bool_and(
        function_type IN ('scalar', 'aggregate')
        AND coalesce(stability, '') <> 'VOLATILE'
        AND coalesce(return_type, '') IN (
            'BOOLEAN', 'TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT', 'HUGEINT', 'UTINYINT', 'USMALLINT',
            'UINTEGER', 'UBIGINT', 'UHUGEINT', 'FLOAT', 'DOUBLE', 'DECIMAL', 'DATE', 'TIME',
            'TIME_NS', 'TIME WITH TIME ZONE', 'TIMESTAMP', 'TIMESTAMP WITH TIME ZONE',
            'TIMESTAMP_S', 'TIMESTAMP_MS', 'TIMESTAMP_NS', 'INTERVAL', 'UUID'
        )
    )
FROM duckdb_functions()
GROUP BY lower(function_name)
