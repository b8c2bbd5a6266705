-- What the entries after {after}, up to {head}, make of the states: in temporary tables, so that
-- nothing is written to the file yet.

-- The entries. None takes effect before the end of the ones that are summed.
CREATE OR REPLACE TEMP TABLE usage_told AS
SELECT
    node_id,
    journal_id,
    observed_at,
    greatest(observed_at, (SELECT ends FROM tidemark.usage_summed)) AS since,
    size_delta,
    coalesce(kind = 'file' AND state IN ('active', 'inconsistent'), FALSE) AS is_there,
    backend_mount_id,
    {user} AS user_key,
    {group} AS group_key,
    extension,
    file_type,
    allocated_bytes,
    {modified} AS modified_at
FROM tidemark.activity
WHERE version IS NOT NULL AND journal_id > {after} AND journal_id <= {head};

-- The states before of the nodes that they are about, and when those end.
CREATE OR REPLACE TEMP TABLE usage_before AS
SELECT states.*, told.until
FROM tidemark.usage_states AS states
JOIN (SELECT node_id, min(since) AS until FROM temp.main.usage_told GROUP BY node_id) AS told
    USING (node_id);

-- The new states. At each time the latest entry up to then decides; the clock may go back.
CREATE OR REPLACE TEMP TABLE usage_steps AS
WITH steps AS (
    SELECT
        node_id,
        since,
        lead(since) OVER series AS until,
        max(journal_id) OVER series AS journal_id,
        sum(size_delta) OVER series AS size_bytes
    FROM temp.main.usage_told
    WINDOW series AS (PARTITION BY node_id ORDER BY since, journal_id)
),

sized AS (
    SELECT steps.* REPLACE (steps.size_bytes + coalesce(earlier.size_bytes, 0) AS size_bytes)
    FROM steps
    LEFT JOIN temp.main.usage_before AS earlier USING (node_id)
    WHERE steps.until IS NULL OR steps.until > steps.since
)

SELECT
    sized.node_id,
    sized.since,
    sized.until,
    sized.size_bytes,
    CASE WHEN told.is_there THEN {class} END AS size_class,
    told.backend_mount_id,
    told.user_key,
    told.group_key,
    told.extension,
    told.file_type,
    told.allocated_bytes,
    told.modified_at
FROM sized
JOIN temp.main.usage_told AS told
    ON told.node_id = sized.node_id AND told.journal_id = sized.journal_id;

CREATE OR REPLACE TEMP TABLE usage_new_cells AS
SELECT
    ((SELECT coalesce(max(cell), 0) FROM tidemark.usage_cells) + row_number() OVER ())::INTEGER AS cell,
    found.*
FROM (
    SELECT DISTINCT backend_mount_id, user_key, group_key, extension, file_type, size_class
    FROM temp.main.usage_steps
    WHERE size_class IS NOT NULL
) AS found
ANTI JOIN tidemark.usage_cells AS cells ON {same_cell};

CREATE OR REPLACE TEMP TABLE usage_new_states AS
SELECT
    found.node_id,
    found.since,
    found.until,
    cells.cell,
    found.size_bytes,
    found.allocated_bytes,
    found.modified_at
FROM temp.main.usage_steps AS found
LEFT JOIN (
    FROM tidemark.usage_cells UNION ALL FROM temp.main.usage_new_cells
) AS cells ON {same_cell};

DROP TABLE temp.main.usage_steps;

-- Of all states that are present then.
CREATE OR REPLACE TEMP TABLE usage_new_sums AS
SELECT
    cell,
    born < {segment} AS is_older,
    count(*) AS files,
    sum(size_bytes) AS size_bytes,
    count(allocated_bytes) AS known,
    sum(allocated_bytes)::HUGEINT AS allocated_bytes,
    min(modified_at) AS oldest,
    max(modified_at) AS newest
FROM (
    SELECT states.cell, states.born, states.size_bytes, states.allocated_bytes, states.modified_at
    FROM tidemark.usage_states AS states
    ANTI JOIN temp.main.usage_before AS earlier USING (node_id)
    WHERE states.cell IS NOT NULL
    UNION ALL
    SELECT cell, {segment}, size_bytes, allocated_bytes, modified_at
    FROM temp.main.usage_new_states
    WHERE until IS NULL AND cell IS NOT NULL
) AS present
GROUP BY ALL;
