-- Sums of usage (see src/usage.rs), over the entries up to usage_summed.

-- What files are counted by. None is ever changed.
CREATE TABLE IF NOT EXISTS tidemark.usage_cells (
    cell INTEGER NOT NULL,
    backend_mount_id BIGINT,
    user_key VARCHAR,
    group_key VARCHAR,
    extension VARCHAR,
    file_type VARCHAR,
    size_class INTEGER NOT NULL
);

-- The present state of each node. Without a cell it is no file that is there, and the sum of its
-- deltas is not 0.
CREATE TABLE IF NOT EXISTS tidemark.usage_states (
    node_id BIGINT NOT NULL,
    born INTEGER NOT NULL,
    since TIMESTAMP NOT NULL,
    cell INTEGER,
    size_bytes HUGEINT NOT NULL,
    allocated_bytes BIGINT,
    modified_at TIMESTAMP
);

-- States of files that have ended: in which segment they began and ended, and when.
CREATE TABLE IF NOT EXISTS tidemark.usage_past (
    segment INTEGER NOT NULL,
    born INTEGER NOT NULL,
    since TIMESTAMP NOT NULL,
    until TIMESTAMP NOT NULL,
    cell INTEGER NOT NULL,
    size_bytes HUGEINT NOT NULL,
    allocated_bytes BIGINT,
    modified_at TIMESTAMP
);

-- By cell: segment 0 has all present states, every other segment the states that last from before
-- its beginning until after its end. known says of how many allocated_bytes is the sum.
CREATE TABLE IF NOT EXISTS tidemark.usage_sums (
    segment INTEGER NOT NULL,
    cell INTEGER NOT NULL,
    files BIGINT NOT NULL,
    size_bytes HUGEINT NOT NULL,
    known BIGINT NOT NULL,
    allocated_bytes HUGEINT,
    oldest TIMESTAMP,
    newest TIMESTAMP
);

-- When a segment begins and ends; it includes its beginning only.
CREATE TABLE IF NOT EXISTS tidemark.usage_segments (
    segment INTEGER NOT NULL,
    begins TIMESTAMP NOT NULL,
    ends TIMESTAMP NOT NULL
);

-- Times of which later entries have told something else, with their beginnings only.
CREATE TABLE IF NOT EXISTS tidemark.usage_unsettled (
    since TIMESTAMP NOT NULL,
    until TIMESTAMP NOT NULL
);

-- One row at most: the last entry that is summed, the segment it lies in, how many entries that
-- has, and the greatest time up to it. The generation changes when the sums are forgotten.
CREATE TABLE IF NOT EXISTS tidemark.usage_summed (
    journal_id BIGINT NOT NULL,
    segment INTEGER NOT NULL,
    entries BIGINT NOT NULL,
    ends TIMESTAMP NOT NULL,
    generation BIGINT NOT NULL
);
