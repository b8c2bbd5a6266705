-- From the sums, and from what they leave out.
WITH {tail}
counted AS (
{counted}
),

totals AS (
    {totals}
),

parts AS (
    SELECT
        {cell_keys},
        cells.size_class,
        totals.files,
        totals.size_bytes,
        totals.allocated_bytes,
        totals.oldest,
        totals.newest
    FROM totals
    JOIN tidemark.usage_cells AS cells USING (cell)
    WHERE {cells}
{newer_files}
),
