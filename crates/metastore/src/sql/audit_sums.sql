SELECT id, record_id, sum, action, actor, at, namespace, previous_namespace, version,
    previous_version, metadata, previous_metadata, tags, previous_tags, owner, previous_owner,
    schema_hash, previous_schema_hash
FROM record_audit
WHERE sum IS NOT NULL
