-- Nodes whose last state the history does not have.
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
LEFT JOIN temp.main.counted AS counted USING (node_id)
WHERE counted.node_id IS NULL
    OR counted.journal_id < staged.journal_id
