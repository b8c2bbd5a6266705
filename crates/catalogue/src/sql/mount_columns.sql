SELECT id, mount_key, backend_kind, access_mode, root_path, bucket, prefix, display_name, labels,
    state, config, created_at, updated_at, description, contact, state_reason
FROM mounts
