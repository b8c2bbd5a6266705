-- What is left of a purged record: that it was purged. The id is one of record_audit's, so that both
-- together are all that people did, in order.
CREATE TABLE record_purges (
    id        INTEGER PRIMARY KEY,
    namespace TEXT    NOT NULL,
    key       TEXT    NOT NULL,
    version   INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    actor     TEXT
) STRICT;
