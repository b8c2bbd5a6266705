-- Which file a node was before another file at its path took it over (`store::former`). The latest
-- ones are kept.
CREATE TABLE former_identities (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    node_id INTEGER NOT NULL,
    mount_id INTEGER NOT NULL,
    dev INTEGER NOT NULL,
    ino INTEGER NOT NULL,
    born_ns INTEGER NOT NULL,
    replaced_at INTEGER NOT NULL
);

CREATE INDEX former_identities_by_file ON former_identities (mount_id, ino);
CREATE INDEX former_identities_by_node ON former_identities (node_id);

-- Mounts with a scan that has begun to write: until it has ended, a directory may have moved or
-- gone before what is below it has.
CREATE TABLE unfinished_scans (mount_id INTEGER PRIMARY KEY);
