-- The directories of a tree of ?1 files in the mount ?2 under its root ?3: 64 files in a directory,
-- 256 directories in a project. Ids are far above those that filestore gave out.
WITH RECURSIVE numbers (n) AS (
    SELECT 0
    UNION ALL
    SELECT n + 1 FROM numbers WHERE (n + 1) * 64 < ?1
),

directories (id, parent_id, name, path, depth) AS (
    SELECT
        2000000000 + n,
        1000000000 + n / 256,
        printf('run-%06d', n),
        printf('project-%03d/run-%06d', n / 256, n),
        2
    FROM numbers
    UNION ALL
    SELECT
        1000000000 + n / 256,
        ?3,
        printf('project-%03d', n / 256),
        printf('project-%03d', n / 256),
        1
    FROM numbers
    WHERE n % 256 = 0
)

INSERT INTO nodes (
    id, mount_id, parent_id, name, path, depth, kind, is_symlink, size_bytes, dev, ino, state,
    version, consistency_state, created_at, updated_at, last_journal_id
)
SELECT id, ?2, parent_id, name, path, depth, 'directory', 0, 0, 0, 0, 'active', 1, 'active', 0, 0, 1
FROM directories
ORDER BY path
