-- What the commands in `intents` change, with all below: whoever finds a difference there knows who
-- is about to explain it. Intents that an earlier version left get theirs when they are recovered.
CREATE TABLE intent_paths (
    mount_id INTEGER NOT NULL,
    path TEXT NOT NULL,
    intent_id INTEGER NOT NULL,
    PRIMARY KEY (mount_id, path, intent_id)
) WITHOUT ROWID;
