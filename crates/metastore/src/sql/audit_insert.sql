INSERT INTO record_audit (
    record_id, action, actor, at, namespace, previous_namespace, version, previous_version,
    metadata, previous_metadata, tags, previous_tags, owner, previous_owner, schema_hash,
    previous_schema_hash, sum
)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)
