SELECT DISTINCT journal_id
FROM tidemark.activity
WHERE journal_id IN (SELECT unnest(from_json(?::JSON, '["BIGINT"]')))
