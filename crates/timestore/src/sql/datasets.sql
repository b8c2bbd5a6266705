SELECT
    id,
    slug,
    name,
    table_name,
    is_activity,
    description,
    coalesce(status, 'active'),
    coalesce(metadata, '{}'),
    epoch_ms(created_at),
    epoch_ms(coalesce(updated_at, created_at))
FROM tidemark.datasets
