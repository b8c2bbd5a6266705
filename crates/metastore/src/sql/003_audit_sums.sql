-- A hash over all that a write in the audit says: who wrote and when is said nowhere else. Writes of
-- before have none.
ALTER TABLE record_audit ADD COLUMN sum BLOB CHECK (length(sum) = 32);
