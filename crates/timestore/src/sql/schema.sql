SELECT columns.table_name, datasets.name, columns.column_name, columns.data_type, columns.is_nullable
FROM duckdb_columns() AS columns
LEFT JOIN tidemark.datasets AS datasets ON datasets.table_name = columns.table_name
WHERE columns.schema_name = 'main' AND NOT columns.internal
ORDER BY columns.table_name, columns.column_index
