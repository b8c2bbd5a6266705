-- The timestore's own tables. Datasets themselves are tables in the schema main.
CREATE SCHEMA IF NOT EXISTS tidemark;

CREATE SEQUENCE IF NOT EXISTS tidemark.dataset_ids;
CREATE SEQUENCE IF NOT EXISTS tidemark.partition_ids;

CREATE TABLE IF NOT EXISTS tidemark.datasets (
    id BIGINT PRIMARY KEY,
    slug VARCHAR NOT NULL UNIQUE,
    name VARCHAR NOT NULL,
    table_name VARCHAR NOT NULL,
    is_activity BOOLEAN NOT NULL,
    created_at TIMESTAMP NOT NULL,
    description VARCHAR,
    status VARCHAR DEFAULT 'active',
    metadata VARCHAR DEFAULT '{}',
    updated_at TIMESTAMP
);

-- What earlier versions had not.
ALTER TABLE tidemark.datasets ADD COLUMN IF NOT EXISTS description VARCHAR;
ALTER TABLE tidemark.datasets ADD COLUMN IF NOT EXISTS status VARCHAR DEFAULT 'active';
ALTER TABLE tidemark.datasets ADD COLUMN IF NOT EXISTS metadata VARCHAR DEFAULT '{}';
ALTER TABLE tidemark.datasets ADD COLUMN IF NOT EXISTS updated_at TIMESTAMP;

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
    ingested_at TIMESTAMP NOT NULL,
    byte_count BIGINT DEFAULT 0
);

-- Of the rows as they came, in memory; 0 for what came before this was counted.
ALTER TABLE tidemark.partitions ADD COLUMN IF NOT EXISTS byte_count BIGINT DEFAULT 0;

-- One row a dataset at most.
CREATE TABLE IF NOT EXISTS tidemark.retention (
    dataset_id BIGINT NOT NULL,
    max_age_hours UINTEGER,
    updated_by VARCHAR,
    updated_at TIMESTAMP,
    partitions_dropped BIGINT NOT NULL,
    rows_dropped BIGINT NOT NULL,
    dropped_at TIMESTAMP,
    max_total_bytes BIGINT,
    policy VARCHAR
);

ALTER TABLE tidemark.retention ADD COLUMN IF NOT EXISTS max_total_bytes BIGINT;
ALTER TABLE tidemark.retention ADD COLUMN IF NOT EXISTS policy VARCHAR;

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
    bytes_added HUGEINT NOT NULL,
    bytes_removed HUGEINT NOT NULL,
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
