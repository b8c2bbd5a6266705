-- Access control lists and extended attributes, each set of them once: many files have the same. The id
-- is made of the set itself. A node with none, or of a mount that does not have them asked for, has NULL.
CREATE TABLE attribute_sets (
    id INTEGER PRIMARY KEY,
    json TEXT NOT NULL
);
ALTER TABLE nodes ADD COLUMN attributes INTEGER;
-- Of an object in a bucket.
ALTER TABLE nodes ADD COLUMN storage_class TEXT;
