INSERT INTO tidemark.datasets (id, slug, name, table_name, is_activity, created_at)
VALUES (nextval('tidemark.dataset_ids'), ?, ?, ?, ?, make_timestamp_ms(?::BIGINT))
RETURNING id
