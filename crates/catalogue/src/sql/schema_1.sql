-- One row: what the journal is and where it stands.
CREATE TABLE journal_meta (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    epoch BLOB NOT NULL,
    head_id INTEGER NOT NULL,
    head_digest BLOB NOT NULL,
    trimmed_id INTEGER NOT NULL,
    trimmed_digest BLOB NOT NULL,
    next_node_id INTEGER NOT NULL,
    created_at INTEGER NOT NULL
);

-- Append-only and dense: ids are given out inside the one writer's transaction.
CREATE TABLE journal (
    journal_id INTEGER PRIMARY KEY,
    committed_at INTEGER NOT NULL,
    node_id INTEGER,
    event_type TEXT NOT NULL,
    size_delta INTEGER NOT NULL,
    data TEXT NOT NULL,
    digest BLOB NOT NULL
);

CREATE TABLE mounts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    mount_key TEXT NOT NULL UNIQUE,
    backend_kind TEXT NOT NULL,
    access_mode TEXT NOT NULL,
    root_path TEXT,
    bucket TEXT,
    prefix TEXT,
    display_name TEXT,
    labels TEXT NOT NULL DEFAULT '[]',
    state TEXT NOT NULL DEFAULT 'active',
    config TEXT NOT NULL DEFAULT '{}',
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);

CREATE UNIQUE INDEX mounts_by_root ON mounts (root_path) WHERE root_path IS NOT NULL;

-- Rows stay when a node is deleted, so ids are never given out twice (see next_node_id).
--
-- `vacated` is 0 while the node holds its path and its own id once it does not: so one index keeps
-- a path from naming two nodes, and still lists the missing ones where they were.
CREATE TABLE nodes (
    id INTEGER PRIMARY KEY,
    mount_id INTEGER NOT NULL,
    parent_id INTEGER,
    name TEXT NOT NULL,
    path TEXT NOT NULL,
    depth INTEGER NOT NULL,
    kind TEXT NOT NULL,
    is_symlink INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    modified_ns INTEGER,
    dev INTEGER NOT NULL,
    ino INTEGER NOT NULL,
    born_ns INTEGER,
    checksum TEXT,
    content_hash TEXT,
    metadata TEXT,
    state TEXT NOT NULL,
    version INTEGER NOT NULL,
    last_seen_at INTEGER,
    consistency_state TEXT NOT NULL,
    consistency_checked_at INTEGER,
    last_reconciled_at INTEGER,
    last_drift_detected_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER,
    last_journal_id INTEGER NOT NULL,
    vacated INTEGER NOT NULL GENERATED ALWAYS AS
        (CASE WHEN state IN ('active', 'inconsistent') THEN 0 ELSE id END) VIRTUAL
);

CREATE UNIQUE INDEX nodes_by_path ON nodes (mount_id, path, vacated) WHERE state <> 'deleted';
CREATE INDEX nodes_by_parent ON nodes (parent_id, name) WHERE state <> 'deleted';
CREATE INDEX nodes_by_identity ON nodes (mount_id, ino) WHERE state <> 'deleted' AND ino <> 0;
CREATE INDEX nodes_off ON nodes (mount_id, path) WHERE state IN ('inconsistent', 'missing');

-- What lies below each directory: only nodes that are on disk count, not the directory itself.
CREATE TABLE rollups (
    node_id INTEGER PRIMARY KEY,
    size_bytes INTEGER NOT NULL,
    file_count INTEGER NOT NULL,
    directory_count INTEGER NOT NULL,
    child_count INTEGER NOT NULL,
    last_calculated_at INTEGER NOT NULL
);

-- What a directory's listing was when its nodes agreed with it; NULL once one of them has changed,
-- which the entry touched_id tells.
CREATE TABLE listings (
    node_id INTEGER PRIMARY KEY,
    digest BLOB,
    directories BLOB,
    touched_id INTEGER NOT NULL
);

CREATE TABLE idempotency (
    key TEXT PRIMARY KEY,
    fingerprint BLOB NOT NULL,
    response TEXT NOT NULL,
    created_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX idempotency_by_age ON idempotency (created_at);

-- File operations that have begun and are not committed yet.
CREATE TABLE intents (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    command TEXT NOT NULL,
    created_at INTEGER NOT NULL
);
