-- Each write begins where the one before ended. Where two records became one, two histories run
-- beside each other.
SELECT 'write ' || id || ' in the audit of record ' || record_id
    || ' does not begin where the one before ended'
FROM (
    SELECT id, record_id,
           lag(id) OVER history AS before,
           previous_metadata IS NOT lag(metadata) OVER history
               OR previous_tags IS NOT lag(tags) OVER history
               OR previous_owner IS NOT lag(owner) OVER history
               OR previous_schema_hash IS NOT lag(schema_hash) OVER history
               OR previous_version IS NOT lag(version) OVER history AS is_broken
    FROM record_audit
    WHERE record_id NOT IN (SELECT record_id FROM record_audit WHERE action = 'merge')
    WINDOW history AS (PARTITION BY record_id ORDER BY id)
)
WHERE before IS NOT NULL AND is_broken
LIMIT 20
