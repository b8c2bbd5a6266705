SELECT DISTINCT journal_id, CASE WHEN version IS NOT NULL THEN node_id END AS node_id
FROM tidemark.activity
WHERE journal_id IN (SELECT unnest(from_json(?::JSON, '["BIGINT"]')))
