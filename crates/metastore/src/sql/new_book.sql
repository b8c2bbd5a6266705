-- The new book, beside the present one: as filestore_nodes, without what connects a node with its
-- record. Temporary, so that a process that dies leaves nothing behind.
CREATE TEMP TABLE IF NOT EXISTS new_nodes (
    node_id                INTEGER PRIMARY KEY CHECK (node_id > 0),
    backend_mount_id       INTEGER NOT NULL,
    path                   TEXT    NOT NULL,
    kind                   TEXT    NOT NULL,
    state                  TEXT    NOT NULL,
    parent_id              INTEGER,
    version                INTEGER NOT NULL,
    size_bytes             INTEGER CHECK (size_bytes >= 0),
    checksum               TEXT,
    content_hash           TEXT,
    node_metadata          TEXT    NOT NULL,
    observed_at            INTEGER NOT NULL,
    last_modified_at       INTEGER,
    journal_id             INTEGER NOT NULL,
    command                TEXT,
    principal              TEXT,
    consistency_state      TEXT    NOT NULL,
    consistency_checked_at INTEGER,
    last_reconciled_at     INTEGER,
    reconciliation_reason  TEXT,
    previous_state         TEXT,
    previous_path          TEXT,
    deleted_at             INTEGER,
    file_type              TEXT,
    uid                    INTEGER,
    gid                    INTEGER,
    user_name              TEXT,
    group_name             TEXT,
    mode                   INTEGER,
    links                  INTEGER,
    allocated_bytes        INTEGER,
    changed_at             INTEGER,
    attributes             TEXT,
    storage_class          TEXT,
    accessed_at            INTEGER,
    link_target            TEXT,
    object_tags            TEXT,
    made_at                INTEGER NOT NULL
) STRICT;

CREATE TEMP TABLE IF NOT EXISTS new_dead_letters (
    journal_id INTEGER PRIMARY KEY,
    event_type TEXT    NOT NULL,
    data       TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    parked_at  INTEGER NOT NULL,
    attempts   INTEGER NOT NULL
) STRICT;

-- Which record goes on with which node, where the ids are those of another history.
CREATE TEMP TABLE IF NOT EXISTS carried (
    record_id INTEGER PRIMARY KEY,
    node_id   INTEGER NOT NULL UNIQUE
) STRICT;
