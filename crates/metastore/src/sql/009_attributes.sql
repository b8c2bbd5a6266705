-- Access control lists and extended attributes, a JSON object; NULL for none.
ALTER TABLE filestore_nodes ADD COLUMN attributes TEXT;
