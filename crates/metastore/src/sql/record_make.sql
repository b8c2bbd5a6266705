INSERT INTO records (namespace, key, owner, created_at, updated_at, created_by, updated_by)
VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?5)
