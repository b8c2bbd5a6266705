INSERT OR REPLACE INTO reconciliation_jobs
    (id, job_key, mount_id, node_id, path, reason, status, detect_children, requested_hash,
     attempt, result, error, enqueued_at, started_at, completed_at, updated_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
