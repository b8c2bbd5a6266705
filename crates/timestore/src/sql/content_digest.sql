SELECT count(*) || ':' || coalesce(sum(hash(row)::HUGEINT), 0)
FROM (SELECT * EXCLUDE (ingested_at) FROM tidemark.activity) AS row
