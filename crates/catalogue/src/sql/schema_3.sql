-- Consumers of the journal in other processes: each needs what comes after after_id.
CREATE TABLE journal_consumers (
    name TEXT PRIMARY KEY,
    after_id INTEGER NOT NULL,
    first_seen_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL
) WITHOUT ROWID;
