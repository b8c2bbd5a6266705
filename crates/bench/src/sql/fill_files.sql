-- The files of the tree that fill_directories.sql tells of.
WITH RECURSIVE numbers (n) AS (
    SELECT 0
    UNION ALL
    SELECT n + 1 FROM numbers WHERE n + 1 < ?1
)

INSERT INTO nodes (
    id, mount_id, parent_id, name, path, depth, kind, is_symlink, size_bytes, dev, ino, state,
    version, consistency_state, created_at, updated_at, last_journal_id
)
SELECT
    3000000000 + n, ?2, 2000000000 + n / 64,
    printf('measurement-%08d.parquet', n),
    printf('project-%03d/run-%06d/measurement-%08d.parquet', n / 16384, n / 64, n),
    3, 'file', 0, n % 1048576, 0, 0, 'active', 1, 'active', 0, 0, 1
FROM numbers
