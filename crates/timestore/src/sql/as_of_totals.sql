SELECT
    coalesce(sum(size_bytes), 0)::BIGINT AS "sizeBytes",
    count_if(kind = 'file')::BIGINT AS files,
    count_if(kind = 'directory' AND path <> '')::BIGINT AS directories
FROM nodes
