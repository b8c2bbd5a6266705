INSERT INTO tidemark.datasets (id, slug, name, table_name, is_activity, created_at, updated_at)
VALUES (nextval('tidemark.dataset_ids'), $1, $2, $3, $4, make_timestamp_ms($5::BIGINT), make_timestamp_ms($5::BIGINT))
RETURNING id
