-- Facts whose text may be long, each text once: access control lists and extended attributes, what a
-- symlink points to, the tags of an object. The id is made of the text itself.
ALTER TABLE attribute_sets RENAME TO long_texts;
ALTER TABLE long_texts RENAME COLUMN json TO text;
-- NULL of a symlink that nobody has read yet; 0 of what is no symlink, where that was asked.
ALTER TABLE nodes ADD COLUMN link_target INTEGER;
-- When a regular file was last read, in milliseconds, where the mount has that asked for.
ALTER TABLE nodes ADD COLUMN accessed_ms INTEGER;
-- Of an object in a bucket: the account that it belongs to, and its tags.
ALTER TABLE nodes ADD COLUMN object_owner TEXT;
ALTER TABLE nodes ADD COLUMN object_tags INTEGER;
-- The next whole scan reads the symlinks that are known.
UPDATE listings SET digest = NULL
WHERE node_id IN (SELECT parent_id FROM nodes WHERE is_symlink = 1 AND state <> 'deleted');
