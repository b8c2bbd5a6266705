UPDATE tidemark.filestore_sync
SET epoch = $1, journal_id = $2, digest = $3, snapshot_id = $4
WHERE epoch = $5 AND journal_id = $6
