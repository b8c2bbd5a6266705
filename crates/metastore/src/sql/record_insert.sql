INSERT INTO records (
    namespace, key, metadata, owner, schema_hash, created_at, updated_at, created_by, updated_by
)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, ?7)
RETURNING id
