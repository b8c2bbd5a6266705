-- Nodes that the history has and the snapshot does not.
INSERT INTO {activity}
SELECT latest.* REPLACE (
    make_timestamp_ms($2::BIGINT) AS observed_at,
    'filestore.snapshot.node' AS event_type,
    'deleted' AS state,
    NULL AS consistency_state,
    NULL AS size_bytes,
    -counted.size_bytes AS size_delta,
    $1 AS journal_id,
    NULL AS command,
    NULL AS principal,
    NULL AS reconciliation_reason,
    NULL AS metadata_json,
    NULL AS previous_path,
    NULL AS previous_backend_mount_id,
    NULL AS command_id,
    NULL AS duration_ms,
    make_timestamp_ms($2::BIGINT) AS ingested_at,
    -counted.files AS file_delta
)
FROM temp.main.counted AS counted
JOIN {activity} AS latest
    ON latest.node_id = counted.node_id
    AND latest.journal_id = counted.journal_id
    AND latest.version IS NOT NULL
WHERE latest.state <> 'deleted'
    AND NOT EXISTS (
        FROM temp.main.staged_nodes AS staged WHERE staged.node_id = counted.node_id
    )
