-- What parts of a name are found by (`crate::names`). A segment holds, for each three bytes of a
-- folded name, the ids of the nodes whose names have them. Base segments cover the ids from `low`
-- (exclusive) to `high`, one behind the other; a patch covers the ids in `ids`, whose names changed
-- later.
CREATE TABLE name_segments (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    low   INTEGER NOT NULL,
    high  INTEGER NOT NULL,
    nodes INTEGER NOT NULL,
    ids   BLOB
) STRICT;

CREATE TABLE name_grams (
    segment INTEGER NOT NULL,
    gram    INTEGER NOT NULL,
    ids     BLOB    NOT NULL,
    PRIMARY KEY (segment, gram)
) STRICT, WITHOUT ROWID;

-- Nodes up to `indexed_to` are in base segments, or in a patch, or pending. Up to `claimed_to` they
-- are being put there: whoever changes a name up to there says so in name_pending.
CREATE TABLE name_index (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    indexed_to INTEGER NOT NULL,
    claimed_to INTEGER NOT NULL
) STRICT;

INSERT INTO name_index (id, indexed_to, claimed_to) VALUES (1, 0, 0);

CREATE TABLE name_pending (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    node_id INTEGER NOT NULL
) STRICT;

-- The newest first, and of those with metadata of their own.
CREATE INDEX records_updated ON records (updated_at);
CREATE INDEX records_said ON records (updated_at) WHERE metadata <> '{}';
