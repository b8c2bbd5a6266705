-- Access control lists and extended attributes, a JSON object; NULL for none.
ALTER TABLE filestore_nodes ADD COLUMN attributes TEXT;
-- Of an object in a bucket.
ALTER TABLE filestore_nodes ADD COLUMN storage_class TEXT;
