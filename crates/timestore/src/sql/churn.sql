WITH changes AS (
    SELECT
        *,
        {key} AS group_key,
        -- A file that was there before and has other contents now. Commands that only touch a
        -- node's metadata, and hashes of what a file is, are updates too.
        kind = 'file' AND file_delta = 0 AND state IN ('active', 'inconsistent') AND (
            event_type = 'filestore.node.uploaded'
            OR (
                event_type = 'filestore.node.updated'
                AND coalesce(command, '') NOT ILIKE '%metadata%'
                AND coalesce(command, '') <> 'hash'
            )
            OR (event_type = 'filestore.node.reconciled' AND size_delta <> 0)
        ) AS is_rewrite,
        previous_path IS NOT NULL
            AND (previous_path <> path OR previous_backend_mount_id IS NOT NULL) AS is_move,
        state IN ('deleted', 'missing') AS is_deletion,
        event_type IN ('filestore.node.created', 'filestore.node.copied')
            OR file_delta > 0 AS is_creation
    FROM tidemark.activity
    WHERE {rows}
),

groups AS (
    SELECT
        {shown} AS "group",
        {node_id} AS "nodeId",
        count(*) AS changes,
        count(DISTINCT node_id) AS nodes,
        count(*) FILTER (WHERE is_creation) AS created,
        count(*) FILTER (WHERE is_rewrite) AS rewritten,
        count(*) FILTER (WHERE is_move) AS moved,
        count(*) FILTER (WHERE is_deletion) AS deleted,
        coalesce(sum(size_bytes) FILTER (WHERE is_creation OR is_rewrite), 0) AS "bytesWritten",
        coalesce(-sum(size_delta) FILTER (WHERE size_delta < 0), 0) AS "bytesRemoved",
        max(observed_at) AS "lastChangeAt"
    FROM changes
    GROUP BY group_key
)

FROM groups
WHERE {after}
ORDER BY "{order}" DESC NULLS LAST, "group" NULLS LAST, "nodeId" NULLS LAST
LIMIT $limit
