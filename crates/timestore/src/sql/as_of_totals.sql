SELECT
    coalesce(sum(size_bytes), 0)::BIGINT AS "sizeBytes",
    count(*) FILTER (WHERE kind = 'file') AS files,
    count(*) FILTER (WHERE kind = 'directory' AND path <> '') AS directories
FROM nodes
