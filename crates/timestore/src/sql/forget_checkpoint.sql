DELETE FROM tidemark.filestore_sync
WHERE epoch = $1 AND journal_id = $2
