SELECT
    count(*) FILTER (WHERE event_type <> 'filestore.snapshot.node') AS total,
    count(DISTINCT journal_id) FILTER (WHERE event_type <> 'filestore.snapshot.node') AS entries,
    coalesce(max(journal_id) FILTER (WHERE event_type <> 'filestore.snapshot.node'), 0) AS last,
    count(*) FILTER (WHERE event_type = 'filestore.snapshot.node') AS snapshots
FROM {table}
