-- What people wrote goes, that there was a write stays.
UPDATE kept_answers
SET record_id = NULL,
    answer = json_set(
        answer,
        '$.record.metadata', json('{}'),
        '$.record.tags', json('[]'),
        '$.record.owner', NULL,
        '$.record.schemaHash', NULL
    )
WHERE record_id = ?1
