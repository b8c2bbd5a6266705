-- Files by their contents, at each node's latest state by then. A file of several names is one: each
-- of its names counts for its part of it.
WITH {latest},

files AS (
    SELECT
        json_extract_string(metadata_json, '$.contentHash') AS content_hash,
        latest.size_bytes AS size_bytes,
        1.0 / greatest(coalesce(links, 1), 1) AS part,
        path,
        {modified} AS modified_at
    FROM latest
    JOIN tidemark.activity AS activity
        ON activity.node_id = latest.node_id
        AND activity.journal_id = latest.journal_id
        AND activity.version IS NOT NULL
    WHERE kind = 'file' AND state IN ('active', 'inconsistent') AND latest.size_bytes > 0
        AND contains(metadata_json, '"contentHash":') AND {rows}
),

groups AS (
    SELECT
        content_hash AS "contentHash",
        max(size_bytes)::HUGEINT AS "sizeBytes",
        round(sum(part))::BIGINT AS copies,
        (max(size_bytes) * (round(sum(part))::BIGINT - 1))::HUGEINT AS "savedBytes",
        arg_min(path, (modified_at, path)) AS "oldestPath",
        min(modified_at) AS "oldestModifiedAt",
        list_slice(list(path ORDER BY path), 1, 10) AS paths
    FROM files
    WHERE content_hash IS NOT NULL
    GROUP BY content_hash
    HAVING round(sum(part)) > 1
)

FROM groups
WHERE {after}
ORDER BY "savedBytes" DESC, "contentHash"
LIMIT $limit
