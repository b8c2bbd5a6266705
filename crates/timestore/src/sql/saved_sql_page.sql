WHERE $1 OR created_at < make_timestamp_ms($2::BIGINT)
    OR (created_at = make_timestamp_ms($2::BIGINT) AND id > $3)
ORDER BY created_at DESC, id
LIMIT $4
