-- A node that nobody has said anything about has no row in `records`: its record is shown from the
-- node's own row. `namespace` is the one that the node's record lies in, NULL while it has no record.
-- `made_at` is when a record without a row was made, NULL if that is `observed_at`. The first thing
-- that is said makes the row.
CREATE TABLE namespaces (
    id   INTEGER PRIMARY KEY,
    name TEXT    NOT NULL UNIQUE
) STRICT;

-- The largest is the first: its nodes are in no index.
INSERT INTO namespaces (name)
SELECT r.namespace
FROM filestore_nodes n JOIN records r ON r.id = n.record_id
GROUP BY r.namespace
ORDER BY count(*) DESC, r.namespace;

ALTER TABLE filestore_nodes ADD COLUMN namespace INTEGER;
ALTER TABLE filestore_nodes ADD COLUMN made_at INTEGER;

DROP INDEX filestore_nodes_record;

UPDATE filestore_nodes
SET namespace = (
    SELECT s.id
    FROM records r JOIN namespaces s ON s.name = r.namespace
    WHERE r.id = filestore_nodes.record_id
)
WHERE record_id IS NOT NULL;

UPDATE filestore_nodes
SET made_at = nullif(
        (SELECT r.created_at FROM records r WHERE r.id = filestore_nodes.record_id), observed_at
    ),
    record_id = NULL
WHERE EXISTS (
    SELECT 1
    FROM records r
    WHERE r.id = filestore_nodes.record_id
        AND r.key = CAST(filestore_nodes.node_id AS TEXT)
        AND r.version = 1 AND r.metadata = '{}' AND r.owner IS NULL AND r.schema_hash IS NULL
        AND r.deleted_at IS NULL AND r.updated_at = r.created_at
        AND r.created_by = 'filestore-sync' AND r.updated_by = 'filestore-sync'
        AND NOT EXISTS (SELECT 1 FROM record_tags t WHERE t.record_id = r.id)
        AND NOT EXISTS (SELECT 1 FROM record_audit a WHERE a.record_id = r.id)
        AND NOT EXISTS (SELECT 1 FROM kept_answers k WHERE k.record_id = r.id)
);

-- Before the rows go: each that goes is looked for here.
CREATE UNIQUE INDEX filestore_nodes_record ON filestore_nodes (record_id)
    WHERE record_id IS NOT NULL;

-- By now a node that has a namespace and no row is one of those above.
DELETE FROM records
WHERE EXISTS (
    SELECT 1
    FROM filestore_nodes n JOIN namespaces s ON s.id = n.namespace
    WHERE n.node_id = CAST(records.key AS INTEGER)
        AND records.key = CAST(n.node_id AS TEXT)
        AND n.record_id IS NULL
        AND s.name = records.namespace
);

CREATE INDEX filestore_nodes_namespace ON filestore_nodes (namespace) WHERE namespace > 1;

-- What people wrote last, the newest first.
DROP INDEX records_updated;
CREATE INDEX records_spoken ON records (updated_at) WHERE updated_by IS NOT 'filestore-sync';
