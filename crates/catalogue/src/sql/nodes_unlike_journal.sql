SELECT n.id, n.last_journal_id
FROM nodes n
LEFT JOIN journal j ON j.journal_id = n.last_journal_id
WHERE n.last_journal_id > ?1
  AND CASE
      WHEN j.node_id IS NOT n.id OR NOT json_valid(j.data) THEN 1
      ELSE n.path IS NOT json_extract(j.data, '$.path')
          OR n.mount_id IS NOT json_extract(j.data, '$.backendMountId')
          OR n.parent_id IS NOT json_extract(j.data, '$.parentId')
          OR n.kind IS NOT json_extract(j.data, '$.kind')
          OR n.state IS NOT json_extract(j.data, '$.state')
          OR n.version IS NOT json_extract(j.data, '$.version')
          OR n.size_bytes IS NOT json_extract(j.data, '$.sizeBytes')
          OR n.checksum IS NOT json_extract(j.data, '$.checksum')
          OR n.content_hash IS NOT json_extract(j.data, '$.contentHash')
          OR n.uid IS NOT json_extract(j.data, '$.uid')
          OR n.gid IS NOT json_extract(j.data, '$.gid')
          OR n.mode & 4095 IS NOT json_extract(j.data, '$.mode')
          OR n.allocated_bytes IS NOT json_extract(j.data, '$.allocatedBytes')
          -- The type's bits of `st_mode` (inode(7)).
          OR n.mode IS NOT NULL AND json_extract(j.data, '$.fileType') IS NOT CASE n.mode & 61440
              WHEN 32768 THEN 'regular'
              WHEN 16384 THEN 'directory'
              WHEN 40960 THEN 'symlink'
              WHEN 4096 THEN 'fifo'
              WHEN 49152 THEN 'socket'
              WHEN 8192 THEN 'character'
              WHEN 24576 THEN 'block'
          END
          OR NOT json_valid(coalesce(n.metadata, '{}'))
          OR json(coalesce(n.metadata, '{}')) IS NOT json_extract(j.data, '$.metadata')
          OR n.updated_at IS NOT CAST(
              round(unixepoch(json_extract(j.data, '$.observedAt'), 'subsec') * 1000) AS INTEGER
          )
      END
LIMIT ?2
