INSERT INTO mounts (
    mount_key, backend_kind, access_mode, root_path, bucket, prefix, display_name, labels, state,
    config, created_at, updated_at, description, contact, state_reason
) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11, ?12, ?13,
    ?14)
