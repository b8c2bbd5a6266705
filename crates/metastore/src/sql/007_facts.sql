-- What the disk says of a node's file beside its contents: as the entries tell it; NULL before they did.
ALTER TABLE filestore_nodes ADD COLUMN file_type TEXT;
ALTER TABLE filestore_nodes ADD COLUMN uid INTEGER;
ALTER TABLE filestore_nodes ADD COLUMN gid INTEGER;
ALTER TABLE filestore_nodes ADD COLUMN user_name TEXT;
ALTER TABLE filestore_nodes ADD COLUMN group_name TEXT;
ALTER TABLE filestore_nodes ADD COLUMN mode INTEGER;
ALTER TABLE filestore_nodes ADD COLUMN links INTEGER;
ALTER TABLE filestore_nodes ADD COLUMN allocated_bytes INTEGER;
ALTER TABLE filestore_nodes ADD COLUMN changed_at INTEGER;
