SELECT
    journal_id AS "journalId",
    observed_at AS "observedAt",
    event_type AS "eventType",
    path AS path,
    {previous_path} AS "previousPath",
    state AS state,
    consistency_state AS "consistencyState",
    version AS version,
    size_bytes AS "sizeBytes",
    size_delta AS "sizeDelta",
    command AS command,
    command_id AS "commandId",
    principal AS principal,
    reconciliation_reason AS "reconciliationReason",
    ({metadata})::JSON AS metadata
FROM tidemark.activity
WHERE node_id = $node AND journal_id > $after AND {after} AND {rows}
ORDER BY journal_id
LIMIT $limit
