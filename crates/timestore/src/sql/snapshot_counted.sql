-- What the history has of each node.
CREATE OR REPLACE TEMP TABLE counted AS
SELECT
    node_id,
    max(journal_id) AS journal_id,
    arg_max(path, journal_id) AS path,
    arg_max(backend_mount_id, journal_id) AS mount,
    sum(size_delta) AS size_bytes,
    sum(file_delta)::BIGINT AS files
FROM {activity}
WHERE version IS NOT NULL
GROUP BY node_id
