    SELECT
        {start} AS bucket_start,
        {group} AS group_key,
        bytes_added,
        bytes_removed,
        files_added,
        files_removed,
        changes
    FROM (SELECT hour AS observed_at, * FROM tidemark.growth_hours)
    WHERE leg IN ('within', '{moves}') AND {rows}
