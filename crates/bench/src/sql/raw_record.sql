INSERT INTO records (id, namespace, key, created_at, updated_at, created_by, updated_by)
VALUES (?1, 'filestore', ?2, ?3, ?3, 'filestore-sync', 'filestore-sync')
