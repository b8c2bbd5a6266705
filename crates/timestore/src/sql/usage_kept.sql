-- The sums without those states. Where one of them was the oldest or the newest of its cell, the
-- next one is looked for.
minus AS MATERIALIZED (
    SELECT
        cell,
        count(*) AS files,
        sum(size_bytes) AS size_bytes,
        count(allocated_bytes) AS known,
        sum(allocated_bytes) AS allocated_bytes,
        min(modified_at) AS oldest,
        max(modified_at) AS newest
    FROM replaced
    WHERE cell IS NOT NULL
    GROUP BY cell
),

kept AS MATERIALIZED (
    SELECT
        sums.cell,
        sums.files - coalesce(minus.files, 0) AS files,
        sums.size_bytes - coalesce(minus.size_bytes, 0) AS size_bytes,
        CASE
            WHEN sums.known > coalesce(minus.known, 0)
                THEN sums.allocated_bytes - coalesce(minus.allocated_bytes, 0)
        END AS allocated_bytes,
        sums.oldest,
        sums.newest,
        coalesce(minus.oldest <= sums.oldest OR minus.newest >= sums.newest, FALSE) AS is_unsure
    FROM tidemark.usage_sums AS sums
    LEFT JOIN minus USING (cell)
    WHERE sums.segment = 0 AND sums.files > coalesce(minus.files, 0)
),

