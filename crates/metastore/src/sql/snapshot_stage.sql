-- A snapshot beside the book, and the nodes of the book that it does not have. The columns are those
-- of filestore_nodes that a snapshot tells.
CREATE TEMP TABLE IF NOT EXISTS snapshot_nodes (
    node_id           INTEGER PRIMARY KEY,
    backend_mount_id  INTEGER NOT NULL,
    path              TEXT    NOT NULL,
    kind              TEXT    NOT NULL,
    state             TEXT    NOT NULL,
    parent_id         INTEGER,
    version           INTEGER NOT NULL,
    size_bytes        INTEGER,
    journal_id        INTEGER NOT NULL,
    checksum          TEXT,
    content_hash      TEXT,
    node_metadata     TEXT    NOT NULL,
    consistency_state TEXT    NOT NULL,
    last_modified_at  INTEGER,
    observed_at       INTEGER NOT NULL,
    file_type         TEXT,
    uid               INTEGER,
    gid               INTEGER,
    user_name         TEXT,
    group_name        TEXT,
    mode              INTEGER,
    links             INTEGER,
    allocated_bytes   INTEGER,
    changed_at        INTEGER,
    attributes        TEXT,
    storage_class     TEXT,
    accessed_at       INTEGER,
    link_target       TEXT,
    object_tags       TEXT
) STRICT;

CREATE TEMP TABLE IF NOT EXISTS snapshot_gone (node_id INTEGER PRIMARY KEY) STRICT;

DELETE FROM temp.snapshot_nodes;
DELETE FROM temp.snapshot_gone;
