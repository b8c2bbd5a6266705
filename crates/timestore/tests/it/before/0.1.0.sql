-- The database that version 0.1.0 left (commit cdf7681): its tables as its code made them, and a few
-- rows in each, as its sink and its API wrote them.
CREATE SCHEMA IF NOT EXISTS tidemark;

CREATE SEQUENCE IF NOT EXISTS tidemark.dataset_ids;
CREATE SEQUENCE IF NOT EXISTS tidemark.partition_ids;

CREATE TABLE IF NOT EXISTS tidemark.datasets (
    id BIGINT PRIMARY KEY,
    slug VARCHAR NOT NULL UNIQUE,
    name VARCHAR NOT NULL,
    table_name VARCHAR NOT NULL,
    is_activity BOOLEAN NOT NULL,
    created_at TIMESTAMP NOT NULL
);

-- Fields are only ever added.
CREATE TABLE IF NOT EXISTS tidemark.fields (
    dataset_id BIGINT NOT NULL,
    position INTEGER NOT NULL,
    name VARCHAR NOT NULL,
    type VARCHAR NOT NULL,
    PRIMARY KEY (dataset_id, name)
);

-- No primary key: rows are updated in place, and only the owner thread writes.
CREATE TABLE IF NOT EXISTS tidemark.partitions (
    id BIGINT NOT NULL,
    dataset_id BIGINT NOT NULL,
    partition_key VARCHAR NOT NULL,
    start_at TIMESTAMP NOT NULL,
    end_at TIMESTAMP NOT NULL,
    row_count BIGINT NOT NULL,
    ingested_at TIMESTAMP NOT NULL
);

-- One row a dataset at most.
CREATE TABLE IF NOT EXISTS tidemark.retention (
    dataset_id BIGINT NOT NULL,
    max_age_hours UINTEGER,
    updated_by VARCHAR,
    updated_at TIMESTAMP,
    partitions_dropped BIGINT NOT NULL,
    rows_dropped BIGINT NOT NULL,
    dropped_at TIMESTAMP
);

CREATE TABLE IF NOT EXISTS tidemark.idempotency_keys (
    dataset_id BIGINT NOT NULL,
    idempotency_key VARCHAR NOT NULL,
    request_hash VARCHAR NOT NULL,
    answer VARCHAR NOT NULL,
    ingested_at TIMESTAMP NOT NULL,
    PRIMARY KEY (dataset_id, idempotency_key)
);

CREATE TABLE IF NOT EXISTS tidemark.saved_sql (
    id VARCHAR PRIMARY KEY,
    statement VARCHAR NOT NULL,
    label VARCHAR,
    stats VARCHAR,
    created_by VARCHAR,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL
);

-- The checkpoint: one row at most. snapshot_id is the journal id of the snapshot loaded last;
-- entries up to it are counted by what it wrote.
CREATE TABLE IF NOT EXISTS tidemark.filestore_sync (
    epoch VARCHAR NOT NULL,
    journal_id BIGINT NOT NULL,
    digest VARCHAR NOT NULL,
    snapshot_id BIGINT NOT NULL
);

CREATE TABLE IF NOT EXISTS tidemark.dead_letters (
    journal_id BIGINT NOT NULL,
    event_type VARCHAR NOT NULL,
    data VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    parked_at TIMESTAMP NOT NULL,
    attempts INTEGER NOT NULL
);

-- Sums of the activity's states by hour, over the entries up to growth_summed. An hour may have
-- several rows. leg is 'within' for what happens inside a mount; a move between mounts is there as
-- 'moved', as the whole book sees it, and twice as 'edge', as each of the two mounts sees it.
CREATE TABLE IF NOT EXISTS tidemark.growth_hours (
    hour TIMESTAMP NOT NULL,
    backend_mount_id BIGINT,
    leg VARCHAR NOT NULL,
    bytes_added BIGINT NOT NULL,
    bytes_removed BIGINT NOT NULL,
    files_added BIGINT NOT NULL,
    files_removed BIGINT NOT NULL,
    changes BIGINT NOT NULL
);

-- One row at most.
CREATE TABLE IF NOT EXISTS tidemark.growth_summed (journal_id BIGINT NOT NULL);

-- The parked entries, for whoever asks by SQL.
CREATE VIEW IF NOT EXISTS main.filestore_dead_letters AS
SELECT journal_id, event_type, reason, parked_at, attempts, data
FROM tidemark.dead_letters;

CREATE TABLE main."filestore_activity" (
    observed_at TIMESTAMP, event_type VARCHAR, node_id BIGINT, backend_mount_id BIGINT, path VARCHAR,
    state VARCHAR, consistency_state VARCHAR, size_bytes BIGINT, size_delta BIGINT, journal_id BIGINT,
    command VARCHAR, principal VARCHAR, reconciliation_reason VARCHAR, metadata_json VARCHAR,
    kind VARCHAR, parent_id BIGINT, version BIGINT, previous_path VARCHAR, command_id VARCHAR,
    duration_ms BIGINT, ingested_at TIMESTAMP, file_delta BIGINT, previous_backend_mount_id BIGINT
);
CREATE OR REPLACE VIEW tidemark.activity AS FROM main."filestore_activity";

INSERT INTO tidemark.datasets (id, slug, name, table_name, is_activity, created_at) VALUES
    (nextval('tidemark.dataset_ids'), 'filestore_activity', 'Filestore activity', 'filestore_activity', TRUE, '2026-03-01'),
    (nextval('tidemark.dataset_ids'), 'sensors', 'Sensors', 'sensors', FALSE, '2026-03-02');
INSERT INTO tidemark.fields (dataset_id, position, name, type)
SELECT 1, column_index - 1, column_name, CASE data_type WHEN 'TIMESTAMP' THEN 'timestamp' WHEN 'BIGINT' THEN 'integer' ELSE 'string' END
FROM duckdb_columns() WHERE table_name = 'filestore_activity';

-- A small file that is rewritten and moved, and a large one. Entry 4 is parked.
INSERT INTO main."filestore_activity" VALUES
    ('2026-03-01 12:00', 'filestore.node.uploaded', 1, 1, 'a', 'active', 'active', 10, 10, 1, 'uploadFile', 'ada', NULL, '{"metadata":{"team":"x"}}', 'file', NULL, 1, NULL, 'command-1', NULL, '2026-03-01 12:00:01', 1, NULL),
    ('2026-03-01 12:00', 'filestore.node.uploaded', 2, 1, 'large', 'active', 'active', 6917529027641081856, 6917529027641081856, 2, 'uploadFile', NULL, NULL, '{}', 'file', NULL, 1, NULL, 'command-2', NULL, '2026-03-01 12:00:01', 1, NULL),
    ('2026-03-02 00:00', 'filestore.node.uploaded', 1, 1, 'a', 'active', 'active', 25, 15, 3, 'uploadFile', NULL, NULL, '{}', 'file', NULL, 2, NULL, 'command-3', NULL, '2026-03-02 00:00:01', 0, NULL),
    ('2026-03-03 00:00', 'filestore.node.moved', 1, 1, 'docs/a', 'active', 'active', 25, 0, 5, 'moveNode', NULL, NULL, '{}', 'file', NULL, 3, 'a', 'command-5', NULL, '2026-03-03 00:00:01', 0, NULL);
INSERT INTO tidemark.filestore_sync VALUES
    ('0192f0e4-7a5b-7c3d-8e9f-0123456789ab', 5, '5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f', 0);
INSERT INTO tidemark.growth_hours VALUES
    ('2026-03-01 12:00', 1, 'within', 6917529027641081866, 0, 2, 0, 2),
    ('2026-03-02 00:00', 1, 'within', 15, 0, 0, 0, 1);
INSERT INTO tidemark.growth_summed VALUES (3);
INSERT INTO tidemark.dead_letters VALUES
    (4, 'filestore.node.updated', '{"nodeId":1}', 'it lacks a path', '2026-03-02 12:00', 3);

CREATE TABLE main."sensors" ("_partition" BIGINT, "at" TIMESTAMP, "value" DOUBLE);
INSERT INTO tidemark.fields VALUES (2, 0, 'at', 'timestamp'), (2, 1, 'value', 'double');
INSERT INTO tidemark.partitions VALUES
    (nextval('tidemark.partition_ids'), 2, '{"key":"old"}', '2026-01-01', '2026-01-02', 1, '2026-03-02'),
    (nextval('tidemark.partition_ids'), 2, '{"day":"2026-05-31"}', '2026-05-31', '2026-06-01', 2, '2026-03-02');
INSERT INTO main."sensors" VALUES (1, '2026-01-01 12:00', 0.5), (2, '2026-05-31 12:00', 1.5), (2, '2026-05-31 13:00', NULL);
INSERT INTO tidemark.idempotency_keys VALUES (2, 'key-1', 'hash', '{}', '2026-03-02');
INSERT INTO tidemark.retention VALUES (2, 87600, 'ada', '2026-03-02', 3, 7, '2026-03-02');
INSERT INTO tidemark.saved_sql VALUES
    ('daily', 'SELECT 1', 'a label', '{"rowCount":1}', 'ada', '2026-03-01', '2026-03-02'),
    ('weekly', 'SELECT 2', NULL, NULL, NULL, '2026-03-03', '2026-03-03');
