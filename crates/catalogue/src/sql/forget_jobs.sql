DELETE FROM reconciliation_jobs
WHERE id <= ?1 - 10000 AND status NOT IN ('queued', 'running')
