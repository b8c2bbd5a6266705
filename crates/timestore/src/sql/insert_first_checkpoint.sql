INSERT INTO tidemark.filestore_sync (epoch, journal_id, digest, snapshot_id)
SELECT $1, $2, $3, $4
WHERE NOT EXISTS (FROM tidemark.filestore_sync)
