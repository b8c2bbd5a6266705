WHERE status = 'queued' AND mount_id NOT IN
    (SELECT mount_id FROM reconciliation_jobs WHERE status = 'running')
ORDER BY id LIMIT 1
