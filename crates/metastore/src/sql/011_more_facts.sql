-- When a regular file was last read, what a symlink points to, and the tags of an object (a JSON object);
-- NULL where there is no such thing, and where nobody has asked.
ALTER TABLE filestore_nodes ADD COLUMN accessed_at INTEGER;
ALTER TABLE filestore_nodes ADD COLUMN link_target TEXT;
ALTER TABLE filestore_nodes ADD COLUMN object_tags TEXT;
