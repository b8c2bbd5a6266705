cells.size_class = found.size_class
    AND cells.backend_mount_id IS NOT DISTINCT FROM found.backend_mount_id
    AND cells.user_key IS NOT DISTINCT FROM found.user_key
    AND cells.group_key IS NOT DISTINCT FROM found.group_key
    AND cells.extension IS NOT DISTINCT FROM found.extension
    AND cells.file_type IS NOT DISTINCT FROM found.file_type
