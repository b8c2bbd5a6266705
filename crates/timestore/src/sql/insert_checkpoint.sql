INSERT INTO tidemark.filestore_sync (epoch, journal_id, digest, snapshot_id)
VALUES ($1, $2, $3, $4)
