-- How often people's writes were committed: beside the file a mark holds the same number, which
-- tells whether the end of the file or of its log is gone.
CREATE TABLE people_commits (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    commits INTEGER NOT NULL
) STRICT;

INSERT INTO people_commits (id, commits) VALUES (1, 0);
