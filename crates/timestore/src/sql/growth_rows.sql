    SELECT
        {start} AS bucket_start,
        {group} AS group_key,
        greatest(size_delta, 0) AS bytes_added,
        greatest(-size_delta, 0) AS bytes_removed,
        greatest(file_delta, 0) AS files_added,
        greatest(-file_delta, 0) AS files_removed,
        1 AS changes
    FROM tidemark.activity
    WHERE version IS NOT NULL AND {rows} AND NOT {crosses} AND {inside}
    UNION ALL
    SELECT {start}, {group}, {weight}, 0, {count}, 0, 1
    FROM tidemark.activity
    WHERE version IS NOT NULL AND {rows} AND {crosses} AND {inside}
    UNION ALL
    SELECT
        {start},
        {old_group},
        greatest(size_delta - {weight}, 0),
        greatest({weight} - size_delta, 0),
        greatest(file_delta - {count}, 0),
        greatest({count} - file_delta, 0),
        1
    FROM tidemark.activity
    WHERE version IS NOT NULL AND {rows} AND {crosses} AND {was_inside}
