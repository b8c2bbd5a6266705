-- When the system last saw a file change: nobody can put that back. NULL until a look has told it.
-- Times that 64 bits of nanoseconds cannot count are blobs (`catalogue::moment`).
ALTER TABLE nodes ADD COLUMN changed_ns INTEGER;

-- The filesystem that a mount's root lies on (`backend::disk::volume`).
ALTER TABLE mounts ADD COLUMN volume INTEGER;

-- Sizes of files can add up to more than 64 bits: the sum is size_high * 2^62 + size_bytes, and
-- size_bytes is less than 2^62.
ALTER TABLE rollups ADD COLUMN size_high INTEGER NOT NULL DEFAULT 0;
-- A sum that did not fit had become a floating-point number: it is made anew.
UPDATE rollups SET (size_high, size_bytes) = (
    SELECT (s.high + (s.low >> 32)) >> 30,
        (((s.high + (s.low >> 32)) & 1073741823) << 32) + (s.low & 4294967295)
    FROM (
        SELECT coalesce(sum(n.size_bytes >> 32), 0) AS high,
            coalesce(sum(n.size_bytes & 4294967295), 0) AS low
        FROM nodes d JOIN nodes n ON n.mount_id = d.mount_id AND n.id <> d.id
            AND n.state IN ('active', 'inconsistent')
            AND (d.path = '' OR n.path > d.path || '/' AND n.path < d.path || '0')
        WHERE d.id = rollups.node_id
    ) s
)
WHERE typeof(size_bytes) <> 'integer';
UPDATE rollups SET size_high = size_bytes >> 62, size_bytes = size_bytes & 4611686018427387903
WHERE size_bytes >> 62 <> 0;

-- Files whose content hash is to be computed again before anybody may rely on it: something about
-- them changed, and their size and time did not.
CREATE TABLE doubted_hashes (
    node_id INTEGER PRIMARY KEY,
    doubted_at INTEGER NOT NULL
);

-- Events of a directory that a command deleted come after that.
CREATE INDEX nodes_deleted_directories ON nodes (mount_id, ino)
WHERE state = 'deleted' AND kind = 'directory';
