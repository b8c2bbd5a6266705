-- A path that NULL stands for is the end of all.
SELECT n.id
FROM nodes n INDEXED BY nodes_off
WHERE n.mount_id = ?1 AND n.state IN ('inconsistent', 'missing') AND n.state = 'missing'
    AND n.parent_id IS NOT NULL
    AND coalesce(n.last_drift_detected_at, n.updated_at) < ?2
    AND (?3 IS NULL OR n.path < ?3)
ORDER BY n.path DESC
LIMIT ?4
