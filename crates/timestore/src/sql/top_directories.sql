-- What files bring to their directories, and take from them when they move. First by their own
-- directory, as far as $depth components, then by each directory above it.
WITH own AS (
    SELECT
        mount,
        string_split(directory, '/') AS names,
        sum(bytes) AS bytes,
        sum(bytes) FILTER (WHERE {in_range}) AS grown,
        sum(files) AS files,
        max(observed_at) AS last_change
    FROM (
        SELECT
            {mount} AS mount,
            {directory} AS directory,
            CASE WHEN previous_path IS NULL THEN size_delta ELSE {weight} END AS bytes,
            CASE WHEN previous_path IS NULL THEN file_delta ELSE {count} END AS files,
            observed_at
        FROM tidemark.activity
        WHERE version IS NOT NULL AND kind = 'file' AND journal_id <= $head AND {inside}
        UNION ALL
        SELECT {old_mount}, {old_directory}, size_delta - {weight}, file_delta - {count}, observed_at
        FROM tidemark.activity
        WHERE version IS NOT NULL AND kind = 'file' AND journal_id <= $head
            AND previous_path IS NOT NULL AND {was_inside}
    ) AS legs
    WHERE directory <> ''
    GROUP BY mount, directory
),

leveled AS (
    SELECT *, unnest(range($above + 1, len(names) + 1)) AS level FROM own
),

directories AS (
    SELECT
        mount AS "backendMountId",
        array_to_string(list_slice(names, 1, level), '/') AS path,
        sum(bytes)::HUGEINT AS "sizeBytes",
        coalesce(sum(grown), 0)::HUGEINT AS "grownBytes",
        sum(files)::BIGINT AS files,
        max(last_change) AS "lastChangeAt"
    FROM leveled
    GROUP BY ALL
)

SELECT "backendMountId", path, "sizeBytes", "grownBytes", files, "lastChangeAt"
FROM directories
WHERE {only} AND {after}
ORDER BY "{key}" {direction}, path, "backendMountId"
LIMIT $limit
