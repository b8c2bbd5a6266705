CREATE OR REPLACE TEMP TABLE usage_generation AS
SELECT coalesce(max(generation), 0) + 1 AS generation FROM tidemark.usage_summed;

DELETE FROM tidemark.usage_cells;
DELETE FROM tidemark.usage_states;
DELETE FROM tidemark.usage_past;
DELETE FROM tidemark.usage_sums;
DELETE FROM tidemark.usage_segments;
DELETE FROM tidemark.usage_unsettled;
DELETE FROM tidemark.usage_summed;

INSERT INTO tidemark.usage_summed
SELECT 0, 1, 0, '-infinity'::TIMESTAMP, generation FROM temp.main.usage_generation;

DROP TABLE temp.main.usage_generation;
