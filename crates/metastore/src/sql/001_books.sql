-- What people say. Only their writes change these columns; `version` counts them. The sync adds
-- a row for a node that has none, moves it to another namespace, and changes nothing else.
CREATE TABLE records (
    id          INTEGER PRIMARY KEY,
    namespace   TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    metadata    TEXT    NOT NULL DEFAULT '{}',
    owner       TEXT,
    schema_hash TEXT,
    version     INTEGER NOT NULL DEFAULT 1,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    deleted_at  INTEGER,
    created_by  TEXT,
    updated_by  TEXT,
    UNIQUE (namespace, key)
) STRICT;

CREATE INDEX records_owner ON records (owner) WHERE owner IS NOT NULL;

CREATE TABLE record_tags (
    record_id INTEGER NOT NULL REFERENCES records (id) ON DELETE CASCADE,
    tag       TEXT    NOT NULL,
    PRIMARY KEY (record_id, tag)
) STRICT, WITHOUT ROWID;

CREATE INDEX record_tags_tag ON record_tags (tag, record_id);

-- Every write to a person's part, with the whole of it before and after. Rows are only added;
-- a purge removes them together with the record.
CREATE TABLE record_audit (
    id                   INTEGER PRIMARY KEY AUTOINCREMENT,
    record_id            INTEGER NOT NULL REFERENCES records (id) ON DELETE CASCADE,
    action               TEXT    NOT NULL,
    actor                TEXT,
    at                   INTEGER NOT NULL,
    namespace            TEXT    NOT NULL,
    previous_namespace   TEXT,
    version              INTEGER NOT NULL,
    previous_version     INTEGER,
    metadata             TEXT    NOT NULL,
    previous_metadata    TEXT,
    tags                 TEXT    NOT NULL,
    previous_tags        TEXT,
    owner                TEXT,
    previous_owner       TEXT,
    schema_hash          TEXT,
    previous_schema_hash TEXT
) STRICT;

CREATE INDEX record_audit_record ON record_audit (record_id, id);

-- What the sync says: one row a node, written by journal entries only. `deleted_at` is the sync's
-- part of a record's soft deletion: set while the node is deleted or a rule skips it.
CREATE TABLE filestore_nodes (
    node_id                INTEGER PRIMARY KEY CHECK (node_id > 0),
    record_id              INTEGER REFERENCES records (id) ON DELETE SET NULL,
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
    quarantine_reason      TEXT,
    deleted_at             INTEGER
) STRICT;

CREATE INDEX filestore_nodes_path ON filestore_nodes (path, backend_mount_id);
CREATE UNIQUE INDEX filestore_nodes_record ON filestore_nodes (record_id);

-- How far the journal is applied: written in the transaction of what it says.
CREATE TABLE filestore_sync (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    epoch      TEXT    NOT NULL,
    journal_id INTEGER NOT NULL,
    digest     BLOB    NOT NULL CHECK (length(digest) = 32)
) STRICT;

CREATE TABLE dead_letters (
    journal_id INTEGER PRIMARY KEY,
    event_type TEXT    NOT NULL,
    data       TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    parked_at  INTEGER NOT NULL,
    attempts   INTEGER NOT NULL
) STRICT;

-- The rules in force, and the ones that the configuration held last: a change of the
-- configuration wins over what was put by REST before it.
CREATE TABLE namespace_rules (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    configured TEXT    NOT NULL,
    active     TEXT    NOT NULL,
    updated_at INTEGER NOT NULL,
    updated_by TEXT
) STRICT;

CREATE TABLE idempotency (
    key        TEXT    PRIMARY KEY,
    request    BLOB    NOT NULL,
    record_id  INTEGER NOT NULL REFERENCES records (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_created_at ON idempotency (created_at);
CREATE INDEX idempotency_record ON idempotency (record_id);
