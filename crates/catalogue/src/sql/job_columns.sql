SELECT id, job_key, mount_id, node_id, path, reason, status, detect_children, requested_hash,
    attempt, result, error, enqueued_at, started_at, completed_at, updated_at
FROM reconciliation_jobs 
