-- The older entries of the journal, compressed (`catalogue::entries::block`): each block holds those
-- from first_id to last_id. The entries after the last block are rows of `journal`.
CREATE TABLE journal_blocks (
    last_id INTEGER PRIMARY KEY,
    first_id INTEGER NOT NULL,
    earliest_at INTEGER NOT NULL,
    latest_at INTEGER NOT NULL,
    digest_before BLOB NOT NULL,
    digest BLOB NOT NULL,
    raw_bytes INTEGER NOT NULL,
    payload BLOB NOT NULL
);
