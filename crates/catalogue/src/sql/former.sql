SELECT f.id, f.node_id
FROM former_identities f JOIN nodes n ON n.id = f.node_id
WHERE f.mount_id = ?1 AND f.ino = ?2 AND f.dev = ?3 AND f.born_ns = ?4
    AND n.mount_id = ?1 AND n.state <> 'deleted' AND n.kind = ?5
    AND NOT EXISTS (
        SELECT 1 FROM nodes o
        WHERE o.mount_id = ?1 AND o.ino = ?2 AND o.ino <> 0 AND o.state <> 'deleted'
            AND o.dev = ?3 AND o.born_ns = ?4
    )
ORDER BY f.id
LIMIT 1
