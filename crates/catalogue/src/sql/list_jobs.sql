WHERE (?1 IS NULL OR mount_id = ?1)
    AND (?2 IS NULL OR path = ?2 OR ?2 = '' OR (path > ?2 || '/' AND path < ?2 || '0'))
    AND (?3 = '[]' OR status IN (SELECT value FROM json_each(?3)))
