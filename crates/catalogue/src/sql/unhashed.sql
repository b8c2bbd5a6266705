WHERE n.mount_id = ?1 AND n.path > ?3 AND (?2 = '' OR (n.path > ?2 || '/' AND n.path < ?2 || '0'))
    AND n.state <> 'deleted' AND n.state IN ('active', 'inconsistent')
    AND n.kind = 'file' AND n.is_symlink = 0 AND n.content_hash IS NULL
ORDER BY n.path LIMIT ?4
