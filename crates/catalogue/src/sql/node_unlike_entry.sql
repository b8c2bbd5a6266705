SELECT CASE
    WHEN NOT json_valid(?3) THEN 1
    ELSE n.path IS NOT json_extract(?3, '$.path')
        OR n.mount_id IS NOT json_extract(?3, '$.backendMountId')
        OR n.parent_id IS NOT json_extract(?3, '$.parentId')
        OR n.kind IS NOT json_extract(?3, '$.kind')
        OR n.state IS NOT json_extract(?3, '$.state')
        OR n.version IS NOT json_extract(?3, '$.version')
        OR n.size_bytes IS NOT json_extract(?3, '$.sizeBytes')
        OR n.checksum IS NOT json_extract(?3, '$.checksum')
        OR n.content_hash IS NOT json_extract(?3, '$.contentHash')
        OR n.storage_class IS NOT json_extract(?3, '$.storageClass')
        OR n.uid IS NOT json_extract(?3, '$.uid')
        OR n.mode IS NULL AND n.object_owner IS NOT json_extract(?3, '$.user')
        OR (SELECT json(t.text) FROM long_texts t WHERE t.id = n.attributes)
            IS NOT json_extract(?3, '$.attributes')
        OR (SELECT json(t.text) FROM long_texts t WHERE t.id = n.object_tags)
            IS NOT json_extract(?3, '$.objectTags')
        OR (SELECT t.text FROM long_texts t WHERE t.id = n.link_target)
            IS NOT json_extract(?3, '$.linkTarget')
        -- SQLite knows the times from 1970 to 9999.
        OR n.accessed_ms BETWEEN 0 AND 253402300799999 AND n.accessed_ms IS NOT CAST(
            round(unixepoch(json_extract(?3, '$.accessedAt'), 'subsec') * 1000) AS INTEGER
        )
        OR n.gid IS NOT json_extract(?3, '$.gid')
        OR n.mode & 4095 IS NOT json_extract(?3, '$.mode')
        OR n.allocated_bytes IS NOT json_extract(?3, '$.allocatedBytes')
        -- The type's bits of `st_mode` (inode(7)).
        OR n.mode IS NOT NULL AND json_extract(?3, '$.fileType') IS NOT CASE n.mode & 61440
            WHEN 32768 THEN 'regular'
            WHEN 16384 THEN 'directory'
            WHEN 40960 THEN 'symlink'
            WHEN 4096 THEN 'fifo'
            WHEN 49152 THEN 'socket'
            WHEN 8192 THEN 'character'
            WHEN 24576 THEN 'block'
        END
        OR NOT json_valid(coalesce(n.metadata, '{}'))
        OR json(coalesce(n.metadata, '{}')) IS NOT json_extract(?3, '$.metadata')
        OR n.updated_at IS NOT CAST(
            round(unixepoch(json_extract(?3, '$.observedAt'), 'subsec') * 1000) AS INTEGER
        )
END
FROM nodes n
WHERE n.id = ?1 AND n.last_journal_id = ?2
