-- Comparing nodes with the disk, asked for by people and commands. Ended jobs are kept for a while.
CREATE TABLE reconciliation_jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job_key TEXT NOT NULL,
    mount_id INTEGER NOT NULL,
    node_id INTEGER,
    path TEXT NOT NULL,
    reason TEXT NOT NULL,
    status TEXT NOT NULL,
    detect_children INTEGER NOT NULL,
    requested_hash INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    result TEXT,
    error TEXT,
    enqueued_at INTEGER NOT NULL,
    started_at INTEGER,
    completed_at INTEGER,
    updated_at INTEGER NOT NULL
);

CREATE INDEX reconciliation_jobs_open ON reconciliation_jobs (status, id)
    WHERE status IN ('queued', 'running');
CREATE INDEX reconciliation_jobs_by_key ON reconciliation_jobs (job_key, id);
