-- Requests with an idempotency key, and what they were answered. A bulk has one answer for each of
-- its operations. `scope` is the namespace, or who sent the bulk. A purge empties the answers that
-- show the record.
CREATE TABLE kept_requests (
    id         INTEGER PRIMARY KEY,
    scope      TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    request    BLOB    NOT NULL CHECK (length(request) = 32),
    created_at INTEGER NOT NULL,
    UNIQUE (scope, key)
) STRICT;

CREATE INDEX kept_requests_created_at ON kept_requests (created_at);

CREATE TABLE kept_answers (
    request_id INTEGER NOT NULL REFERENCES kept_requests (id) ON DELETE CASCADE,
    operation  INTEGER NOT NULL,
    record_id  INTEGER,
    answer     TEXT    NOT NULL,
    PRIMARY KEY (request_id, operation)
) STRICT, WITHOUT ROWID;

CREATE INDEX kept_answers_record ON kept_answers (record_id) WHERE record_id IS NOT NULL;

-- It kept no answers, only which record a POST had made. A POST that is repeated over the upgrade
-- finds its record by the name.
DROP TABLE idempotency;

-- What the metadata of a record must be like. A row never changes: `hash` names this definition.
CREATE TABLE schemas (
    hash       TEXT    PRIMARY KEY,
    definition TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT
) STRICT, WITHOUT ROWID;
