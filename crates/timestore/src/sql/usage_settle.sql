-- Takes what was gathered over into the sums.
INSERT INTO tidemark.usage_cells FROM temp.main.usage_new_cells;

INSERT INTO tidemark.usage_past
SELECT {segment}, born, since, until, cell, size_bytes, allocated_bytes, modified_at
FROM temp.main.usage_before
WHERE cell IS NOT NULL AND since < until
UNION ALL
SELECT {segment}, {segment}, since, until, cell, size_bytes, allocated_bytes, modified_at
FROM temp.main.usage_new_states
WHERE cell IS NOT NULL AND until IS NOT NULL;

DELETE FROM tidemark.usage_states
WHERE node_id IN (SELECT node_id FROM temp.main.usage_before);

INSERT INTO tidemark.usage_states
SELECT node_id, {segment}, since, cell, size_bytes, allocated_bytes, modified_at
FROM temp.main.usage_new_states
WHERE until IS NULL AND (cell IS NOT NULL OR size_bytes <> 0);

DELETE FROM tidemark.usage_sums WHERE segment IN (0, {segment});

INSERT INTO tidemark.usage_sums
SELECT {segment}, cell, files, size_bytes, known, allocated_bytes, oldest, newest
FROM temp.main.usage_new_sums
WHERE is_older
UNION ALL
SELECT
    0,
    cell,
    sum(files)::BIGINT,
    sum(size_bytes),
    sum(known)::BIGINT,
    sum(allocated_bytes),
    min(oldest),
    max(newest)
FROM temp.main.usage_new_sums
GROUP BY cell;

INSERT INTO tidemark.usage_unsettled
SELECT min(told.observed_at), summed.ends
FROM temp.main.usage_told AS told, tidemark.usage_summed AS summed
GROUP BY summed.ends
HAVING min(told.observed_at) < summed.ends;

CREATE OR REPLACE TEMP TABLE usage_ends AS
SELECT greatest(summed.ends, (SELECT max(since) FROM temp.main.usage_told)) AS ends, summed.ends AS were
FROM tidemark.usage_summed AS summed;

CREATE OR REPLACE TEMP TABLE usage_begins AS
SELECT coalesce(
    (SELECT begins FROM tidemark.usage_segments WHERE segment = {segment}),
    (SELECT were FROM temp.main.usage_ends)
) AS begins;

DELETE FROM tidemark.usage_segments WHERE segment = {segment};

INSERT INTO tidemark.usage_segments
SELECT {segment}, begins, ends FROM temp.main.usage_begins, temp.main.usage_ends;

DELETE FROM tidemark.usage_summed;

INSERT INTO tidemark.usage_summed
SELECT {head}, {segment}, {entries}, ends, {generation} FROM temp.main.usage_ends;
