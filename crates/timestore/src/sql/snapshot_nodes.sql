-- Nodes whose last state the history does not have.
WITH counted AS (
    SELECT
        node_id,
        max(journal_id) AS journal_id,
        arg_max(path, journal_id) AS path,
        arg_max(backend_mount_id, journal_id) AS mount,
        sum(size_delta)::BIGINT AS size_bytes,
        sum(file_delta)::BIGINT AS files
    FROM {activity}
    WHERE version IS NOT NULL
    GROUP BY node_id
)
INSERT INTO {activity}
SELECT staged.* REPLACE (
    staged.size_delta - coalesce(counted.size_bytes, 0) AS size_delta,
    staged.file_delta - coalesce(counted.files, 0) AS file_delta,
    CASE
        WHEN counted.path <> staged.path OR counted.mount <> staged.backend_mount_id THEN counted.path
    END AS previous_path,
    CASE
        WHEN counted.mount <> staged.backend_mount_id THEN counted.mount
    END AS previous_backend_mount_id,
    make_timestamp_ms($1::BIGINT) AS ingested_at
)
FROM temp.main.staged_nodes AS staged
LEFT JOIN counted USING (node_id)
WHERE counted.node_id IS NULL
    OR counted.journal_id < staged.journal_id
