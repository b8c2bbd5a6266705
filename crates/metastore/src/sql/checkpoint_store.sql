INSERT INTO filestore_sync (id, epoch, journal_id, digest) VALUES (1, ?1, ?2, ?3)
ON CONFLICT (id) DO UPDATE SET
    epoch = excluded.epoch, journal_id = excluded.journal_id, digest = excluded.digest
