-- A record that a person made under the node's key before the node came is left as it is.
INSERT INTO records (namespace, key, owner, created_at, updated_at, created_by, updated_by)
VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?5)
ON CONFLICT (namespace, key) DO NOTHING
