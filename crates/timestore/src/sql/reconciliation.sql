SELECT
    date_trunc('day', observed_at) AS "bucketStart",
    count(*) FILTER (WHERE event_type = 'filestore.drift.detected') AS "driftDetected",
    count(*) FILTER (WHERE event_type = 'filestore.node.reconciled') AS "nodesReconciled",
    count(*) FILTER (WHERE event_type = 'filestore.node.missing') AS "nodesMissing",
    count(*) FILTER (WHERE event_type = 'filestore.reconciliation.job.completed') AS "jobsCompleted",
    count(*) FILTER (WHERE event_type = 'filestore.reconciliation.job.failed') AS "jobsFailed",
    count(*) FILTER (WHERE event_type = 'filestore.reconciliation.job.cancelled') AS "jobsCancelled",
    avg(duration_ms) FILTER (WHERE event_type = 'filestore.reconciliation.job.completed')
        AS "averageDurationMs",
    quantile_cont(duration_ms, 0.95) FILTER (WHERE event_type = 'filestore.reconciliation.job.completed')
        AS "p95DurationMs"
FROM tidemark.activity
WHERE (
    starts_with(event_type, 'filestore.reconciliation.')
    OR event_type IN ('filestore.drift.detected', 'filestore.node.reconciled', 'filestore.node.missing')
) AND {rows}
GROUP BY 1
HAVING {after}
ORDER BY 1
LIMIT $limit
