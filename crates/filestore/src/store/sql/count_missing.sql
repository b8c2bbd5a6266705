SELECT count(*)
FROM nodes
WHERE state IN ('inconsistent', 'missing') AND state = 'missing'
    AND mount_id = ?1 AND path > ?2 AND (?3 IS NULL OR path < ?3)
    AND (?4 IS NULL OR parent_id = ?4)
